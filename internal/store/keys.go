package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// The key space. A key starts with the letter of its kind; numbers are
// big-endian, so that keys of a kind are in the order of their numbers.
//
//	n seq            a notification
//	u len user seq   it was told to the user, who still has it (no value)
//	a seq            it was told to everyone (no value)
//	r seq            how many of its users still have it, if fewer than at first
//	m user           history: what is kept for the user, and what was removed
//	M                the history of everyone
//	k hash           an idempotency key: what it was used for
//	t hash           a ticket, whose SHA-256 the hash is
//	q u user         a revocation of a user's tokens
//	q j hash         a revocation of one token, by the SHA-256 of its ID
//	x ms kind ref    what ends at a time: the key kind ref, of n, k, t or q (no value)
//	g seq            a generation
//	s                the state as a whole
//	v                the format of all this
const (
	kindNotification = 'n'
	kindTold         = 'u'
	kindToldAll      = 'a'
	kindHolders      = 'r'
	kindHistory      = 'm'
	kindHistoryAll   = 'M'
	kindKey          = 'k'
	kindTicket       = 't'
	kindRevocation   = 'q'
	kindEnd          = 'x'
	kindGeneration   = 'g'
	kindState        = 's'
	kindFormat       = 'v'
)

func sequenceKey(kind byte, seq notify.Sequence) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 1+8), kind), uint64(seq))
}

// sequenceOf returns the sequence that a key ends with.
func sequenceOf(key []byte) notify.Sequence {
	return notify.Sequence(binary.BigEndian.Uint64(key[len(key)-8:]))
}

// toldKey has the user's length before the name, so that no user's range
// reaches into another's.
func toldKey(u notify.UserID, seq notify.Sequence) []byte {
	k := make([]byte, 0, 1+2+len(u)+8)
	k = append(k, kindTold)
	k = binary.BigEndian.AppendUint16(k, uint16(len(u)))
	k = append(k, u...)
	return binary.BigEndian.AppendUint64(k, uint64(seq))
}

func historyKey(u notify.UserID) []byte {
	return append(append(make([]byte, 0, 1+len(u)), kindHistory), u...)
}

func idempotencyKey(name [32]byte) []byte {
	return append(append(make([]byte, 0, 1+len(name)), kindKey), name[:]...)
}

func ticketKey(hash [32]byte) []byte {
	return append([]byte{kindTicket}, hash[:]...)
}

// What the second letter of a revocation's key says of the rest.
const (
	revokedUser  = 'u'
	revokedToken = 'j'
)

func revocationKey(e notify.Revocation) []byte {
	if e.User != "" {
		return append([]byte{kindRevocation, revokedUser}, e.User...)
	}
	hash := sha256.Sum256([]byte(e.TokenID)) // which may be long
	return append([]byte{kindRevocation, revokedToken}, hash[:]...)
}

// revokedBy takes the key of a revocation apart: a user, or a token if there is
// no user.
func revokedBy(key []byte) (user notify.UserID, token [32]byte) {
	if key[1] == revokedUser {
		return notify.UserID(key[2:]), token
	}
	return "", [32]byte(key[2:])
}

// endKey places ref, of the kind given, where the sweep finds it at t.
func endKey(t time.Time, kind byte, ref []byte) []byte {
	k := append(make([]byte, 0, 1+8+1+len(ref)), kindEnd)
	k = binary.BigEndian.AppendUint64(k, uint64(t.UnixMilli()))
	return append(append(k, kind), ref...)
}

// endOf takes an end key apart.
func endOf(key []byte) (t time.Time, kind byte, ref []byte) {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:9]))), key[9], key[10:]
}

// after returns the first key that is greater than all keys that start with
// the letter kind.
func after(kind byte) []byte { return []byte{kind + 1} }
