package service

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// A cursor is 24 bytes in base64url: the ID of a generation, a sequence, and a
// MAC over the sequence and the user under the generation's secret. The MAC is
// one AES block of the two, cut to 8 bytes: a pseudorandom function of an input
// of fixed length, cheap enough to be made for each connection that a broadcast
// goes to. It keeps a cursor from being taken for another user's or another
// store's; nobody gains anything by forging their own.
const (
	cursorBytes = 24
	macBytes    = 8
)

// CursorTag stands for a user in the MAC of cursors.
type CursorTag [8]byte

// TagOf returns the tag of u, to be kept by whoever seals many cursors for u.
func TagOf(u notify.UserID) CursorTag {
	sum := sha256.Sum256([]byte(u))
	return CursorTag(sum[:])
}

// errCursor says that a cursor is not of this store and user, or of a place
// that is not reached.
var errCursor = errors.New("unknown cursor")

// cursors seals and opens cursors. It does not change after it was made.
type cursors struct {
	generations []generation // by first sequence
}

type generation struct {
	notify.Generation
	block cipher.Block
}

func newCursors(all []notify.Generation) (*cursors, error) {
	c := &cursors{}
	for _, g := range all {
		block, err := aes.NewCipher(g.Secret[:])
		if err != nil {
			return nil, fmt.Errorf("seal cursors: %w", err)
		}
		c.generations = append(c.generations, generation{g, block})
	}
	if len(c.generations) == 0 {
		return nil, errors.New("no generation to seal cursors with")
	}
	return c, nil
}

// of returns the generation that contains seq.
func (c *cursors) of(seq notify.Sequence) *generation {
	if last := &c.generations[len(c.generations)-1]; seq >= last.First {
		return last
	}
	i, found := slices.BinarySearchFunc(c.generations, seq, func(g generation, seq notify.Sequence) int {
		return cmp.Compare(g.First, seq)
	})
	if !found {
		i = max(0, i-1)
	}
	return &c.generations[i]
}

// append appends the cursor of a user at seq.
func (c *cursors) append(dst []byte, tag CursorTag, seq notify.Sequence) []byte {
	g := c.of(seq)
	// The MAC is made in dst's spare room, so that nothing is allocated.
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(seq))
	dst = append(dst, tag[:]...)
	block := dst[at : at+aes.BlockSize]
	g.block.Encrypt(block, block)

	var raw [cursorBytes]byte
	binary.BigEndian.PutUint64(raw[0:], g.ID)
	binary.BigEndian.PutUint64(raw[8:], uint64(seq))
	copy(raw[16:], block[:macBytes])
	return base64.RawURLEncoding.AppendEncode(dst[:at], raw[:])
}

// open returns the sequence of a user's cursor, if its generation contains it.
func (c *cursors) open(tag CursorTag, cursor string) (notify.Sequence, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != cursorBytes {
		return 0, errCursor
	}
	seq := notify.Sequence(binary.BigEndian.Uint64(raw[8:]))
	if c.of(seq).ID != binary.BigEndian.Uint64(raw) {
		return 0, errCursor
	}
	if subtle.ConstantTimeCompare([]byte(cursor), c.append(nil, tag, seq)) != 1 {
		return 0, errCursor
	}
	return seq, nil
}

// AppendCursor appends the cursor of the user with this tag at seq.
func (b *Service) AppendCursor(dst []byte, tag CursorTag, seq notify.Sequence) []byte {
	return b.cursors.append(dst, tag, seq)
}

// ticketMAC returns 16 bytes that only who knows the secret of the generation
// at i can make of random.
func (c *cursors) ticketMAC(random []byte, i int) []byte {
	mac := hmac.New(sha256.New, c.generations[i].Secret[:])
	mac.Write([]byte("ticket"))
	mac.Write(random)
	return mac.Sum(nil)[:16]
}
