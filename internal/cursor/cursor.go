// Package cursor seals and opens the two opaque strings that clients keep:
// cursors, with which a connection resumes, and tickets, with which one is
// opened. Both are authenticated with the secret of a generation, which every
// start of a node begins and every node knows from the journal; so each node
// opens what any other has sealed.
package cursor

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/bellhop/bellhop/internal/notify"
)

// A cursor is 24 bytes in base64url: the ID of a generation, a sequence, and a
// MAC over the sequence and the user under the generation's secret. The MAC is
// one AES block of the two, cut to 8 bytes: a pseudorandom function of an input
// of fixed length, cheap enough to be computed for each connection that receives
// a broadcast. It keeps a cursor from being used for another user or with
// another store. A user gains nothing by forging their own cursors.
const (
	cursorBytes = 24
	macBytes    = 8
)

// Length is the number of characters of a cursor.
const Length = cursorBytes / 3 * 4

// ErrUnknown means that a string is no cursor of this journal and user.
var ErrUnknown = errors.New("unknown cursor")

// Tag stands for a user in the MAC of cursors.
type Tag [8]byte

// TagOf returns the tag of u. Callers that seal many cursors for u keep it.
func TagOf(u notify.UserID) Tag {
	sum := sha256.Sum256([]byte(u))
	return Tag(sum[:])
}

// Append appends the cursor of the user with this tag at seq. It allocates
// nothing if dst has the capacity.
func (k *Keyring) Append(dst []byte, tag Tag, seq notify.Sequence) []byte {
	g := k.containing(seq)
	// The MAC is computed in the spare capacity of dst, which avoids an allocation.
	start := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(seq))
	dst = append(dst, tag[:]...)
	block := dst[start : start+aes.BlockSize]
	g.block.Encrypt(block, block)

	var raw [cursorBytes]byte
	binary.BigEndian.PutUint64(raw[0:], g.ID)
	binary.BigEndian.PutUint64(raw[8:], uint64(seq))
	copy(raw[16:], block[:macBytes])
	return base64.RawURLEncoding.AppendEncode(dst[:start], raw[:])
}

// Open returns the sequence of a cursor of the user with this tag. Its error is
// ErrUnknown unless the cursor was sealed for that user and with the secret of
// the generation that contains the sequence.
func (k *Keyring) Open(tag Tag, cursor string) (notify.Sequence, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != cursorBytes {
		return 0, ErrUnknown
	}
	seq := notify.Sequence(binary.BigEndian.Uint64(raw[8:]))
	if subtle.ConstantTimeCompare([]byte(cursor), k.Append(nil, tag, seq)) != 1 {
		return 0, ErrUnknown
	}
	return seq, nil
}

// SequenceOf returns the sequence that a cursor names, without checking the rest. A node may
// not know the generation of a cursor that another node has sealed at a later sequence.
func SequenceOf(cursor string) (seq notify.Sequence, ok bool) {
	var raw [cursorBytes]byte
	if len(cursor) != Length {
		return 0, false
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(cursor)); err != nil {
		return 0, false
	}
	return notify.Sequence(binary.BigEndian.Uint64(raw[8:])), true
}
