package store

import "github.com/bellhop/bellhop/internal/notify"

// The store counts the bytes of all keys and values that grow with its use, before
// compression: those of notifications, which retention can remove, and apart from
// them those of everything else, which it cannot: idempotency keys, the histories of
// users and topics, read state, changes of state, collapse keys, deferred publishes,
// tickets and revocations.
//
// A function that writes such a record calls held, and one that removes it calls let,
// in the same batch. Histories are counted by countHistories.

// charge counts a record that was added beside the notifications.
func (tx *txn) charge(key []byte, value int) { tx.state.other += recordBytes(key, value) }

// refund counts a record that was removed.
func (tx *txn) refund(key []byte, value int) {
	tx.state.other -= min(tx.state.other, recordBytes(key, value))
}

// setExpiry writes an end key, and counts it unless it is there already.
func (tx *txn) setExpiry(end []byte) error {
	b, err := get(tx.batch, end)
	if err != nil || b != nil {
		return err
	}
	tx.set(end, nil)
	tx.charge(end, 0)
	return nil
}

func recordBytes(key []byte, value int) uint64 { return uint64(len(key) + value) } //nolint:gosec // lengths

// sizeLimit says how the limit on all bytes is shared out.
type sizeLimit uint64

// sizeLimitOf returns the bound of a limit; 0: no limit.
func sizeLimitOf(limit int64) sizeLimit { return sizeLimit(max(0, limit)) }

// exceeded reports whether the oldest notifications are to go. They have half of the
// limit, whatever the rest takes.
func (b sizeLimit) exceeded(s *state) bool {
	return b > 0 && s.bytes+min(s.other, uint64(b)/2) > uint64(b)
}

// discardsEmpty reports whether histories without notifications are to be given up: a
// quarter of the limit is taken by other things than notifications.
func (b sizeLimit) discardsEmpty(s *state) bool { return b > 0 && s.other > uint64(b)/4 }

// errFull refuses what only time removes.
var errFull = notify.Errorf(notify.ErrUnavailable, "idempotency keys, deferred publishes and the like have taken half of the store's limit; "+
	"try again when some have ended, or publish without a key and without deliver_at")

// refuses reports whether nothing is to be added that retention cannot remove: other
// things than notifications take half of the limit.
func (b sizeLimit) refuses(s *state) bool { return b > 0 && s.other >= uint64(b)/2 }

// Usage is how many bytes the keys and values in the store have.
type Usage struct {
	Notifications uint64
	Other         uint64
}

// Usage returns what the store holds. It is fast.
func (s *Store) Usage() Usage {
	return Usage{Notifications: s.usage[0].Load(), Other: s.usage[1].Load()}
}

// publishUsage publishes the counts of the state.
func (s *Store) publishUsage() {
	s.usage[0].Store(s.state.bytes)
	s.usage[1].Store(s.state.other)
}
