package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// errCorrupt is what decoding bytes that this package did not write comes to.
// Pebble's checksums find what the disk did.
var errCorrupt = errors.New("the store holds a record that cannot be read")

// appendNotification writes n but for its sequence, which is in its key.
func appendNotification(dst []byte, n *notify.Notification) []byte {
	dst = appendTime(dst, n.Time)
	dst = appendTime(dst, n.Expires)
	dst = binary.AppendUvarint(dst, uint64(len(n.Users))) // none: everyone
	for _, u := range n.Users {
		dst = binary.AppendUvarint(dst, uint64(len(u)))
		dst = append(dst, u...)
	}
	return append(dst, n.Content...)
}

// readNotification is the reverse. Its Content is a part of b.
func readNotification(seq notify.Sequence, b []byte) (notify.Notification, error) {
	return readAs(seq, b, true)
}

// readForReader leaves out who else was told, which may be a thousand users
// and is none of a reader's business.
func readForReader(seq notify.Sequence, b []byte) (notify.Notification, error) {
	return readAs(seq, b, false)
}

func readAs(seq notify.Sequence, b []byte, withUsers bool) (notify.Notification, error) {
	r := record{b: b}
	n := notify.Notification{Sequence: seq, Audience: notify.AudienceAll}
	n.Time, n.Expires = r.time(), r.time()
	users := r.uvarint()
	if users > uint64(len(r.b)) {
		return n, errCorrupt
	}
	if users > 0 {
		n.Audience = notify.AudienceUser
	}
	if withUsers && users > 0 {
		n.Users = make([]notify.UserID, 0, users)
	}
	for range users {
		if u := r.bytes(r.uvarint()); withUsers {
			n.Users = append(n.Users, notify.UserID(u))
		}
	}
	n.Content = r.b
	return n, r.err
}

// history says what is kept for a user, or for everyone, and what was removed.
type history struct {
	kept uint64 // how many notifications

	// removed is the highest sequence that retention took: a cursor before it has
	// a hole after it. removedTime is the latest time of what it took.
	removed     notify.Sequence
	removedTime time.Time
}

// note remembers that retention has taken n. Its time may be before that of
// what was taken earlier, if the clock was set back.
func (h *history) note(n *notify.Notification) {
	h.removed = max(h.removed, n.Sequence)
	if n.Time.After(h.removedTime) {
		h.removedTime = n.Time
	}
}

func (h history) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, h.kept)
	dst = binary.AppendUvarint(dst, uint64(h.removed))
	return appendTime(dst, h.removedTime)
}

func readHistory(b []byte) (history, error) {
	r := record{b: b}
	h := history{kept: r.uvarint(), removed: notify.Sequence(r.uvarint()), removedTime: r.time()}
	return h, r.err
}

// usedKey is what an idempotency key was used for.
type usedKey struct {
	at          time.Time
	fingerprint [32]byte
	receipt     notify.Receipt
}

func (k usedKey) append(dst []byte) []byte {
	dst = appendTime(dst, k.at)
	dst = append(dst, k.fingerprint[:]...)
	dst = binary.AppendUvarint(dst, uint64(k.receipt.Recipients))
	return append(dst, k.receipt.ID...)
}

func readUsedKey(b []byte) (usedKey, error) {
	r := record{b: b}
	k := usedKey{at: r.time()}
	copy(k.fingerprint[:], r.bytes(32))
	k.receipt = notify.Receipt{Recipients: int(r.uvarint()), ID: string(r.b)}
	return k, r.err
}

// state is what is known of the store as a whole.
type state struct {
	last  notify.Sequence // applied
	bytes uint64          // that the notifications kept take, with their keys
}

func (s state) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.last))
	return binary.AppendUvarint(dst, s.bytes)
}

func readState(b []byte) (state, error) {
	r := record{b: b}
	s := state{last: notify.Sequence(r.uvarint()), bytes: r.uvarint()}
	return s, r.err
}

func appendGeneration(dst []byte, g notify.Generation) []byte {
	dst = binary.BigEndian.AppendUint64(dst, g.ID)
	return append(dst, g.Secret[:]...)
}

func readGeneration(first notify.Sequence, b []byte) (notify.Generation, error) {
	r := record{b: b}
	g := notify.Generation{First: first}
	if id := r.bytes(8); id != nil {
		g.ID = binary.BigEndian.Uint64(id)
	}
	copy(g.Secret[:], r.bytes(16))
	return g, r.err
}

// appendTime writes t in milliseconds since 1970, as finely as clients read
// it, and the zero time as 0.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendUvarint(dst, 0)
	}
	return binary.AppendUvarint(dst, uint64(t.UnixMilli()))
}

// record reads fields one after the other; the first that does not fit sets
// err, and from then on all are empty.
type record struct {
	b   []byte
	err error
}

func (r *record) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.err = nil, errCorrupt
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *record) bytes(n uint64) []byte {
	if uint64(len(r.b)) < n {
		r.b, r.err = nil, errCorrupt
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *record) time() time.Time {
	ms := r.uvarint()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}
