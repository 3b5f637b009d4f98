package store

import (
	"encoding/binary"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// errCorrupt reports a record that cannot be decoded. Pebble's checksums find damage by
// the disk before a record is decoded.
var errCorrupt = pack.ErrMalformed

// extended is the first byte of a notification with a collapse key or topics. All others
// begin with a time, which is never zero.
const extended = 0

// appendNotification encodes n without its sequence, which is in the key.
func appendNotification(dst []byte, n *notify.Notification) []byte {
	if n.CollapseKey != "" || len(n.Topics) > 0 {
		dst = append(dst, extended)
		dst = pack.AppendString(dst, n.CollapseKey)
		dst = pack.AppendNames(dst, n.Topics)
	}
	dst = pack.AppendMillis(dst, n.Time)
	dst = pack.AppendMillis(dst, n.Expires)
	by := uint64(len(n.By)) << 1
	if n.Receipt {
		by |= 1
	}
	dst = append(pack.AppendUint(dst, by), n.By...)
	dst = pack.AppendNames(dst, n.Users) // without users and topics: everyone
	return append(dst, n.Content...)
}

// readNotification decodes a notification. Its Content is a part of b.
func readNotification(seq notify.Sequence, b []byte) (notify.Notification, error) {
	return readAs(seq, b, true)
}

// readForReader decodes a notification without its publisher and users: a reader must not see the
// other users, and there may be a thousand.
func readForReader(seq notify.Sequence, b []byte) (notify.Notification, error) {
	return readAs(seq, b, false)
}

func readAs(seq notify.Sequence, b []byte, withUsers bool) (notify.Notification, error) {
	r := pack.NewReader(b)
	n := notify.Notification{Sequence: seq, Audience: notify.AudienceAll}
	if len(b) > 0 && b[0] == extended {
		r.Uint()
		n.CollapseKey = r.String()
		n.Topics = pack.Names[notify.Topic](r)
	}
	n.Time, n.Expires = r.Millis(), r.Millis()
	length := r.Uint()
	n.Receipt = length&1 == 1
	by := r.Bytes(length >> 1)
	var users int
	if withUsers {
		n.By = string(by)
		n.Users = pack.Names[notify.UserID](r)
		users = len(n.Users)
	} else {
		users = r.SkipNames()
	}
	switch {
	case users > 0:
		n.Audience = notify.AudienceUser
	case len(n.Topics) > 0:
		n.Audience = notify.AudienceTopic
	}
	n.Content = r.Rest()
	return n, r.Err()
}

// history is the record of an owner: the number of its items and changes, and how far retention
// has removed them.
type history struct {
	kept   uint64 // number of notifications
	unread uint64 // number of unread ones, if the owner is a user
	unseen uint64 // number of unseen ones, if the owner is a user

	// removed is the highest sequence that retention has removed: a reader with an
	// earlier cursor has a gap. removedTime is the latest time of a removed notification.
	removed     notify.Sequence
	removedTime time.Time

	left   notify.Sequence // highest sequence that was removed from topics which the user has left
	topics uint64          // number of records of memberships, if the owner is a user
	joined uint64          // number of them that are current
	multi  uint64          // number of notifications to several topics, if the owner is a feed

	muted notify.Sequence // of the last change of what the preferences of the user hide
	mutes bool            // whether they hide anything

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

// count adjusts the counts of a user's history when the state of an item changes. A state that is
// neither unread nor unseen stands for an item that is removed.
func (h *history) count(before, after itemState) {
	if before.unread() != after.unread() {
		h.unread += step(after.unread())
	}
	if before.unseen() != after.unseen() {
		h.unseen += step(after.unseen())
	}
}

// step returns 1, or -1 modulo 2^64.
func step(up bool) uint64 {
	if up {
		return 1
	}
	return ^uint64(0)
}

// isEmpty reports whether the record of h can be deleted: all of its fields but newest are zero.
func (h history) isEmpty() bool {
	h.newest = 0
	return h == history{}
}

// truncated returns the highest sequence that retention has removed, of notifications and
// changes.
func (h *history) truncated() notify.Sequence { return max(h.removed, h.removedChanges, h.left) }

func (h history) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, h.kept)
	dst = binary.AppendUvarint(dst, uint64(h.removed))
	dst = pack.AppendMillis(dst, h.removedTime)
	dst = binary.AppendUvarint(dst, h.unread)
	dst = binary.AppendUvarint(dst, h.unseen)
	dst = binary.AppendUvarint(dst, h.changes)
	dst = binary.AppendUvarint(dst, uint64(h.removedChanges))
	dst = binary.AppendUvarint(dst, uint64(h.left))
	dst = binary.AppendUvarint(dst, h.topics)
	dst = binary.AppendUvarint(dst, h.joined)
	dst = binary.AppendUvarint(dst, h.multi)
	dst = binary.AppendUvarint(dst, uint64(h.newest))
	muted := uint64(h.muted) << 1
	if h.mutes {
		muted |= 1
	}
	return binary.AppendUvarint(dst, muted)
}

func readHistory(b []byte) (history, error) {
	r := pack.NewReader(b)
	h := history{kept: r.Uint(), removed: notify.Sequence(r.Uint()), removedTime: r.Millis()}
	h.unread, h.unseen = r.Uint(), r.Uint()
	h.changes, h.removedChanges = r.Uint(), notify.Sequence(r.Uint())
	h.left, h.topics, h.joined = notify.Sequence(r.Uint()), r.Uint(), r.Uint()
	h.multi, h.newest = r.Uint(), notify.Sequence(r.Uint())
	muted := r.Uint()
	h.muted, h.mutes = notify.Sequence(muted>>1), muted&1 == 1
	return h, r.Err()
}

// usedKey is the record of an idempotency key.
type usedKey struct {
	at          time.Time
	fingerprint [32]byte
	receipt     notify.Receipt
}

func (k usedKey) append(dst []byte) []byte {
	dst = pack.AppendMillis(dst, k.at)
	dst = append(dst, k.fingerprint[:]...)
	dst = binary.AppendUvarint(dst, uint64(k.receipt.Recipients)) //nolint:gosec // a number of people
	return append(dst, k.receipt.ID...)
}

func readUsedKey(b []byte) (usedKey, error) {
	r := pack.NewReader(b)
	k := usedKey{at: r.Millis()}
	copy(k.fingerprint[:], r.Bytes(32))
	k.receipt = notify.Receipt{Recipients: int(r.Uint()), ID: string(r.Rest())} //nolint:gosec // written by append
	return k, r.Err()
}

// state is the record of the store as a whole.
type state struct {
	last  notify.Sequence // sequence of the last entry applied
	time  time.Time       // of the last entry applied
	rules uint32          // version in force
	bytes uint64          // size of all notifications with their keys
	other uint64          // size of all other records that grow with use

	removals uint64 // size of the records of removed notifications

	erased notify.Sequence // of the last entry that has completed an erasure

	// truncated is the highest truncated sequence of all histories that were discarded. A
	// reader with an earlier cursor may have a gap.
	truncated notify.Sequence
}

func (s state) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.last))
	dst = binary.AppendUvarint(dst, s.bytes)
	dst = binary.AppendUvarint(dst, s.other)
	dst = binary.AppendUvarint(dst, uint64(s.truncated))
	dst = pack.AppendMillis(dst, s.time)
	dst = binary.AppendUvarint(dst, uint64(s.rules))
	dst = binary.AppendUvarint(dst, s.removals)
	return binary.AppendUvarint(dst, uint64(s.erased))
}

func readState(b []byte) (state, error) {
	r := pack.NewReader(b)
	s := state{last: notify.Sequence(r.Uint()), bytes: r.Uint(), other: r.Uint(), truncated: notify.Sequence(r.Uint())}
	s.time, s.rules = r.Millis(), uint32(r.Uint()) //nolint:gosec // written by append
	s.removals, s.erased = r.Uint(), notify.Sequence(r.Uint())
	return s, r.Err()
}
