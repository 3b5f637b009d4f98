package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/notify"
)

// Kinds of keys, as the package comment describes them.
const (
	kindNotification = 'n'
	kindID           = 'd'
	kindUserItem     = 'u'
	kindFeedItem     = 'p'
	kindMultiItem    = 'h'
	kindEveryoneItem = 'a'
	kindRefCount     = 'r'
	kindHistory      = 'm'
	kindHistoryTopic = 'P'
	kindHistoryAll   = 'M'
	kindReadEveryone = 'b'
	kindReadFeed     = 'e'
	kindReadMulti    = 'f'
	kindChange       = 'i'
	kindCollapse     = 'c'
	kindDeferred     = 'w'
	kindKey          = 'k'
	kindTicket       = 't'
	kindRevocation   = 'q'
	kindExpiry       = 'x'
	kindGeneration   = 'g'
	kindState        = 's'
	kindFormat       = 'v'
	kindSpans        = 'y'
	kindIdentity     = 'o'
	kindLoss         = 'l'
	kindPruned       = 'j'
)

func sequenceKey(kind byte, seq notify.Sequence) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 1+8), kind), uint64(seq))
}

// sequenceOf returns the sequence that a key ends with.
func sequenceOf(key []byte) notify.Sequence {
	return notify.Sequence(binary.BigEndian.Uint64(key[len(key)-8:]))
}

func idKey(id string) []byte { return appendIDKey(nil, id) }

// appendIDKey is short for what IDs are, UUIDs.
func appendIDKey(dst []byte, id string) []byte {
	dst = append(dst, kindID)
	if u, err := uuid.Parse(id); err == nil && len(id) == 36 {
		return append(dst, u[:]...)
	}
	return append(dst, id...)
}

// readEveryoneKey is where the marks of what everyone was told are.
func readEveryoneKey(u notify.UserID) []byte {
	return append(append(make([]byte, 0, 1+len(u)), kindReadEveryone), u...)
}

func deferredKey(d notify.Deferred) []byte {
	k := append(make([]byte, 0, 1+8+8), kindDeferred)
	k = binary.BigEndian.AppendUint64(k, uint64(d.At.UnixMilli()))
	return binary.BigEndian.AppendUint64(k, uint64(d.Sequence))
}

// deferredOf takes the key of a deferred publish apart.
func deferredOf(key []byte) notify.Deferred {
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:]))).UTC() //nolint:gosec // what deferredKey has put there
	return notify.Deferred{At: at, Sequence: sequenceOf(key)}
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
	revokedToken = 'j' // of any issuer
	revokedOf    = 'i' // a token of one issuer
)

// revokedID stands for a token in memory and in the key of its revocation:
// revokedToken or revokedOf, and a hash, since names may be long.
type revokedID [1 + sha256.Size]byte

// revokedIDOf returns the ID of the token that an issuer gave this jti; of any
// token with the jti if the issuer is empty.
func revokedIDOf(issuer, jti string) (id revokedID) {
	id[0] = revokedToken
	named := make([]byte, 0, 128)
	if issuer != "" {
		id[0] = revokedOf
		named = appendString(named, issuer)
	}
	hash := sha256.Sum256(append(named, jti...))
	copy(id[1:], hash[:])
	return id
}

func revocationKey(e notify.Revocation) []byte {
	if e.User != "" {
		return append([]byte{kindRevocation, revokedUser}, e.User...)
	}
	id := revokedIDOf(e.Issuer, e.TokenID)
	return append([]byte{kindRevocation}, id[:]...)
}

// revokedBy takes the key of a revocation apart: a user, or a token if there is
// no user.
func revokedBy(key []byte) (user notify.UserID, token revokedID) {
	if key[1] == revokedUser {
		return notify.UserID(key[2:]), token
	}
	return "", revokedID(key[1:])
}

// expiryKey places ref, of the kind given, where the sweep finds it at t.
func expiryKey(t time.Time, kind byte, ref []byte) []byte {
	k := append(make([]byte, 0, 1+8+1+len(ref)), kindExpiry)
	k = binary.BigEndian.AppendUint64(k, uint64(t.UnixMilli()))
	return append(append(k, kind), ref...)
}

// expiryOf takes an end key apart.
func expiryOf(key []byte) (t time.Time, kind byte, ref []byte) {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:9]))), key[9], key[10:] //nolint:gosec // what endKey has put there
}

// applied returns the first key that is greater than all keys that start with
// the letter kind.
func endOfKind(kind byte) []byte { return []byte{kind + 1} }
