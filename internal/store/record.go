package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// errCorrupt reports bytes that this package has not written. Pebble's checksums find
// damage by the disk.
var errCorrupt = errors.New("the store holds a record that cannot be read")

// extended is the first byte of a notification with a collapse key or topics. All others
// begin with a time, which is never zero.
const extended = 0

// appendNotification encodes n without its sequence, which is in the key.
func appendNotification(dst []byte, n *notify.Notification) []byte {
	if n.CollapseKey != "" || len(n.Topics) > 0 {
		dst = append(dst, extended)
		dst = appendString(dst, n.CollapseKey)
		dst = appendNames(dst, n.Topics)
	}
	dst = appendTime(dst, n.Time)
	dst = appendTime(dst, n.Expires)
	dst = appendNames(dst, n.Users) // without users and topics: everyone
	return append(dst, n.Content...)
}

// readNotification decodes a notification. Its Content is a part of b.
func readNotification(seq notify.Sequence, b []byte) (notify.Notification, error) {
	return readAs(seq, b, true)
}

// readForReader decodes a notification without its users, of which there may be a
// thousand. A reader must not see the other ones.
func readForReader(seq notify.Sequence, b []byte) (notify.Notification, error) {
	return readAs(seq, b, false)
}

func readAs(seq notify.Sequence, b []byte, withUsers bool) (notify.Notification, error) {
	r := record{b: b}
	n := notify.Notification{Sequence: seq, Audience: notify.AudienceAll}
	if len(b) > 0 && b[0] == extended {
		r.uvarint()
		n.CollapseKey = r.string()
		n.Topics, _ = readNames[notify.Topic](&r, true)
	}
	n.Time, n.Expires = r.time(), r.time()
	var users uint64
	n.Users, users = readNames[notify.UserID](&r, withUsers)
	switch {
	case users > 0:
		n.Audience = notify.AudienceUser
	case len(n.Topics) > 0:
		n.Audience = notify.AudienceTopic
	}
	n.Content = r.b
	return n, r.err
}

func appendNames[T ~string](dst []byte, names []T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendString(dst, string(name))
	}
	return dst
}

// readNames reads names, or only their number if keep is false.
func readNames[T ~string](r *record, keep bool) (names []T, count uint64) {
	count = r.uvarint()
	if count > uint64(len(r.b)) {
		r.b, r.err = nil, errCorrupt
		return nil, 0
	}
	if keep && count > 0 {
		names = make([]T, 0, count)
	}
	for range count {
		if name := r.bytes(r.uvarint()); keep {
			names = append(names, T(name))
		}
	}
	return names, count
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func (r *record) string() string { return string(r.bytes(r.uvarint())) }

// history is the record of an owner: the number of its items, and what retention has
// removed.
type history struct {
	kept   uint64 // number of notifications
	unread uint64 // number of unread ones, if the owner is a user

	// removed is the highest sequence that retention has removed: a reader with an
	// earlier cursor has a gap. removedTime is the latest time of a removed notification.
	removed     notify.Sequence
	removedTime time.Time

	multi  uint64          // number of notifications to several topics, if the owner is a feed
	newest notify.Sequence // highest sequence ever added, if the owner is shared

	// Number of notifications that the stored inbox changes are about, and the highest
	// sequence of a removed change.
	changes        uint64
	removedChanges notify.Sequence
}

// noteRemoved records that retention has removed n.
func (h *history) noteRemoved(n *notify.Notification) {
	h.removed = max(h.removed, n.Sequence)
	if n.Time.After(h.removedTime) {
		h.removedTime = n.Time
	}
}

// isEmpty reports whether h has nothing that must be remembered.
func (h history) isEmpty() bool {
	h.newest = 0
	return h == history{}
}

// truncated returns the highest sequence that retention has removed, of notifications and
// changes.
func (h *history) truncated() notify.Sequence { return max(h.removed, h.removedChanges) }

func (h history) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, h.kept)
	dst = binary.AppendUvarint(dst, uint64(h.removed))
	dst = appendTime(dst, h.removedTime)
	dst = binary.AppendUvarint(dst, h.unread)
	dst = binary.AppendUvarint(dst, h.changes)
	dst = binary.AppendUvarint(dst, uint64(h.removedChanges))
	dst = binary.AppendUvarint(dst, h.multi)
	return binary.AppendUvarint(dst, uint64(h.newest))
}

func readHistory(b []byte) (history, error) {
	r := record{b: b}
	h := history{kept: r.uvarint(), removed: notify.Sequence(r.uvarint()), removedTime: r.time()}
	h.unread, h.changes, h.removedChanges = r.uvarint(), r.uvarint(), notify.Sequence(r.uvarint())
	h.multi, h.newest = r.uvarint(), notify.Sequence(r.uvarint())
	return h, r.err
}

// usedKey is the record of an idempotency key.
type usedKey struct {
	at          time.Time
	fingerprint [32]byte
	receipt     notify.Receipt
}

func (k usedKey) append(dst []byte) []byte {
	dst = appendTime(dst, k.at)
	dst = append(dst, k.fingerprint[:]...)
	dst = binary.AppendUvarint(dst, uint64(k.receipt.Recipients)) //nolint:gosec // a number of people
	return append(dst, k.receipt.ID...)
}

func readUsedKey(b []byte) (usedKey, error) {
	r := record{b: b}
	k := usedKey{at: r.time()}
	copy(k.fingerprint[:], r.bytes(32))
	k.receipt = notify.Receipt{Recipients: int(r.uvarint()), ID: string(r.b)} //nolint:gosec // what append has put there
	return k, r.err
}

// state is the record of the store as a whole.
type state struct {
	last  notify.Sequence // sequence of the last entry applied
	time  time.Time       // of the last entry applied
	rules uint32          // version in force
	bytes uint64          // size of all notifications with their keys
	other uint64          // size of all other records that grow with use

	// truncated is the highest truncated sequence of all histories that were discarded. A
	// reader with an earlier cursor may have a gap.
	truncated notify.Sequence
}

func (s state) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.last))
	dst = binary.AppendUvarint(dst, s.bytes)
	dst = binary.AppendUvarint(dst, s.other)
	dst = binary.AppendUvarint(dst, uint64(s.truncated))
	dst = appendTime(dst, s.time)
	return binary.AppendUvarint(dst, uint64(s.rules))
}

func readState(b []byte) (state, error) {
	r := record{b: b}
	s := state{last: notify.Sequence(r.uvarint()), bytes: r.uvarint(), other: r.uvarint(), truncated: notify.Sequence(r.uvarint())}
	s.time, s.rules = r.time(), uint32(r.uvarint()) //nolint:gosec // what append has put there
	return s, r.err
}

func appendGeneration(dst []byte, g notify.Generation) []byte {
	dst = binary.BigEndian.AppendUint64(dst, g.ID)
	dst = append(dst, g.Secret[:]...)
	return binary.AppendUvarint(dst, uint64(g.Rules))
}

func readGeneration(first notify.Sequence, b []byte) (notify.Generation, error) {
	r := record{b: b}
	g := notify.Generation{First: first}
	if id := r.bytes(8); id != nil {
		g.ID = binary.BigEndian.Uint64(id)
	}
	copy(g.Secret[:], r.bytes(16))
	g.Rules = uint32(r.uvarint()) //nolint:gosec // what append has put there
	return g, r.err
}

// appendTime encodes t in milliseconds since 1970, the resolution that clients see. The
// zero time is 0.
func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendUvarint(dst, 0)
	}
	return binary.AppendUvarint(dst, uint64(t.UnixMilli()))
}

// record decodes fields one after the other. The first invalid field sets err, and all
// later ones are zero.
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
	return time.UnixMilli(int64(ms)).UTC() //nolint:gosec // what appendTime has put there
}
