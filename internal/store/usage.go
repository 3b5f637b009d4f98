package store

import "github.com/bellhop/bellhop/internal/notify"

// The store counts the bytes of all keys and values that grow with use, before
// compression. It counts notifications, which retention can remove, separately from
// everything else, which retention cannot remove: idempotency keys, the histories of
// users and topics, read state, inbox changes, collapse keys, deferred publishes, tickets
// and revocations.
//
// A function that writes such a record calls charge, and one that deletes it calls
// refund, in the same transaction. Histories are counted by countHistories.

// charge counts a record that was added and is not part of a notification.
func (tx *txn) charge(key []byte, value int) { tx.chargeBytes(contentOf(key), recordBytes(key, value)) }

// refund counts a record that was deleted.
func (tx *txn) refund(key []byte, value int) { tx.refundBytes(contentOf(key), recordBytes(key, value)) }

func (tx *txn) chargeBytes(of content, bytes uint64) {
	tx.state.other += bytes
	tx.sizes.add(of, bytes)
}

func (tx *txn) refundBytes(of content, bytes uint64) {
	tx.state.other -= min(tx.state.other, bytes)
	tx.sizes.subtract(of, bytes)
}

// setExpiry writes an expiry key, and counts it unless it exists.
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

// sizeLimit is the limit on all bytes. Notifications may use the part that other records leave,
// and at least half.
type sizeLimit uint64

// sizeLimitOf returns the limit of an entry; 0: no limit.
func sizeLimitOf(limit int64) sizeLimit { return sizeLimit(max(0, limit)) }

// exceeded reports whether the oldest notifications must be removed. Other records count
// with half of the limit at most, so that they cannot displace all notifications.
func (b sizeLimit) exceeded(s *state) bool {
	others := s.other + min(s.removals, removalLimit(s, b))
	return b > 0 && s.bytes+min(others, uint64(b)/2) > uint64(b)
}

// discardsEmpty reports whether histories without notifications must be discarded: other
// records take more than a quarter of the limit.
func (b sizeLimit) discardsEmpty(s *state) bool { return b > 0 && s.other > uint64(b)/4 }

// errFull refuses records that retention cannot remove.
var errFull = notify.Unavailable(notify.CauseStoreFull, "idempotency keys, deferred publishes and the like have taken half of the store's limit; "+
	"try again when some have ended, or publish without a key and without deliver_at")

// refuses reports whether records that retention cannot remove are refused: other records
// than notifications take half of the limit.
func (b sizeLimit) refuses(s *state) bool { return b > 0 && s.other >= uint64(b)/2 }

// Usage is the size of all keys and values in the store, in bytes.
type Usage struct {
	Notifications uint64
	Removals      uint64 // what is remembered of removed notifications
	Other         uint64
	Sizes         Sizes // of which Other consists
}

// Usage returns the current usage. It does not read the disk.
func (s *Store) Usage() Usage {
	u := Usage{Notifications: s.usage[0].Load(), Removals: s.usage[2].Load(), Other: s.usage[1].Load()}
	for i := range u.Sizes {
		u.Sizes[i] = s.published[i].Load()
	}
	return u
}

// publishState makes parts of the state available to Usage and Rules.
func (s *Store) publishState() {
	s.rules.Store(s.state.rules)
	s.purging.erased.Store(uint64(s.state.erased))
	s.usage[0].Store(s.state.bytes)
	s.usage[1].Store(s.state.other)
	s.usage[2].Store(s.state.removals)
	for i, bytes := range s.sizes {
		s.published[i].Store(bytes)
	}
}
