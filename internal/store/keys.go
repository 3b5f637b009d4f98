package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
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
	kindPosition     = 'z'
	kindHash         = 'Z'
	kindRemoval      = 'R'
	kindPurged       = 'E'
	kindDelivery     = 'D'
	kindMembership   = 'T'
	kindMember       = 'B'
	kindPreferences  = 'F'
	kindErased       = 'G'
	kindErasing      = 'U'
	kindContents     = 'C'
)

func sequenceKey(kind byte, seq notify.Sequence) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 1+8), kind), uint64(seq))
}

// sequenceOf returns the sequence at the end of a key.
func sequenceOf(key []byte) notify.Sequence {
	return notify.Sequence(binary.BigEndian.Uint64(key[len(key)-8:]))
}

func idKey(id string) []byte { return appendIDKey(nil, id) }

// appendIDKey shortens IDs that are UUIDs, as most are.
func appendIDKey(dst []byte, id string) []byte {
	dst = append(dst, kindID)
	if u, err := uuid.Parse(id); err == nil && len(id) == 36 {
		return append(dst, u[:]...)
	}
	return append(dst, id...)
}

// readEveryoneKey returns the key of a user's read state of everyone's items.
func readEveryoneKey(u notify.UserID) []byte {
	return append(append(make([]byte, 0, 1+len(u)), kindReadEveryone), u...)
}

func deferredKey(d notify.Deferred) []byte {
	k := append(make([]byte, 0, 1+8+8), kindDeferred)
	k = binary.BigEndian.AppendUint64(k, uint64(d.At.UnixMilli()))
	return binary.BigEndian.AppendUint64(k, uint64(d.Sequence))
}

// deferredOf decodes the key of a deferred publish.
func deferredOf(key []byte) notify.Deferred {
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:]))).UTC() //nolint:gosec // written by deferredKey
	return notify.Deferred{At: at, Sequence: sequenceOf(key)}
}

func idempotencyKey(name [32]byte) []byte {
	return append(append(make([]byte, 0, 1+len(name)), kindKey), name[:]...)
}

func ticketKey(hash [32]byte) []byte {
	return append([]byte{kindTicket}, hash[:]...)
}

// The second letter of the key of a revocation.
const (
	revokedUser  = 'u' // all tokens of a user
	revokedToken = 'j' // a token of any issuer
	revokedOf    = 'i' // a token of one issuer
)

// revokedID identifies a revoked token in memory and in the key of its revocation:
// revokedToken or revokedOf, and a hash, since names may be long.
type revokedID [1 + sha256.Size]byte

// revokedIDOf returns the ID of the token with a jti of one issuer, or of any issuer if
// issuer is empty.
func revokedIDOf(issuer, jti string) (id revokedID) {
	id[0] = revokedToken
	named := make([]byte, 0, 128)
	if issuer != "" {
		id[0] = revokedOf
		named = pack.AppendString(named, issuer)
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

// revokedBy decodes the key of a revocation: the user, or the token if user is empty.
func revokedBy(key []byte) (user notify.UserID, token revokedID) {
	if key[1] == revokedUser {
		return notify.UserID(key[2:]), token
	}
	return "", revokedID(key[1:])
}

// expiryKey returns the key that makes a Cleanup at t or later remove the record with the
// key "kind ref".
func expiryKey(t time.Time, kind byte, ref []byte) []byte {
	k := append(make([]byte, 0, 1+8+1+len(ref)), kindExpiry)
	k = binary.BigEndian.AppendUint64(k, uint64(t.UnixMilli()))
	return append(append(k, kind), ref...)
}

// expiryOf decodes an expiry key.
func expiryOf(key []byte) (t time.Time, kind byte, ref []byte) {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:9]))), key[9], key[10:] //nolint:gosec // what expiryKey has put there
}

// endOfKind returns the first key after all keys of a kind.
func endOfKind(kind byte) []byte { return []byte{kind + 1} }

// readStatePrefix returns the beginning of the keys of a user's read state of one kind.
func readStatePrefix(kind byte, u notify.UserID) []byte {
	k := append(make([]byte, 0, 1+2+len(u)+32), kind)
	k = binary.BigEndian.AppendUint16(k, uint16(len(u))) //nolint:gosec // at most notify.MaxUserBytes
	return append(k, u...)
}

func readFeedKey(u notify.UserID, feed string) []byte {
	return append(readStatePrefix(kindReadFeed, u), feed...)
}

func readMultiKey(u notify.UserID, block uint64) []byte {
	return binary.BigEndian.AppendUint64(readStatePrefix(kindReadMulti, u), block)
}

// blockOf returns the block of sequences that share one record of read state, for
// notifications to several topics.
func blockOf(seq notify.Sequence) uint64 { return uint64(seq) >> blockBits }
