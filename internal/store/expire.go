package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Due reports whether a Cleanup that is applied now would remove something.
func (s *Store) Due(now time.Time, e notify.Cleanup) (bool, error) {
	v := s.snapshots.acquire()
	defer v.release()
	b, err := get(v, []byte{kindState})
	if err != nil || b == nil {
		return false, err
	}
	st, err := readState(b)
	if err != nil {
		return false, err
	}
	if b := sizeLimitOf(e.MaxBytes); b.exceeded(&st) || b.refuses(&st) { // pruning read state may free space
		return true, nil
	}
	now = latest(st.time, now) // the time that the Cleanup would have
	due := false
	err = eachExpired(v, now, func([]byte) (bool, error) { due = true; return false, nil })
	if due || err != nil {
		return due, err
	}
	err = eachNotification(v, func(n *notify.Notification) (bool, error) {
		due = now.Sub(n.Time) >= e.Retention
		return false, nil
	})
	if due || err != nil {
		return due, err
	}
	return removalsDue(v, &st, e, now)
}

// applyCleanup removes expired records, and reports whether there are more.
func (tx *txn) applyCleanup(e notify.Cleanup) (more bool, err error) {
	left := maxExpirations
	tx.discardsEmpty = sizeLimitOf(e.MaxBytes).discardsEmpty(&tx.state)
	defer func() { tx.discardsEmpty = false }()
	err = eachExpired(tx.batch, tx.at, func(key []byte) (bool, error) {
		if left <= 0 {
			more = true
			return false, nil
		}
		owners, err := tx.expire(key)
		left -= max(1, owners)
		return true, err
	})
	if err != nil || more {
		return more, err
	}
	more, left, err = tx.enforceRetention(e, left)
	if err == nil && !more {
		more, left, err = tx.forgetRemovals(e, left)
	}
	if err != nil || !tx.discardsEmpty || left <= 0 {
		return more, err
	}
	return more, tx.pruneReadState(left)
}

// enforceRetention removes the oldest notifications while they are older than the retention or
// the size limit is exceeded. It stops at limit, where a notification counts once for each user
// and topic that has it. left is the part of limit that was not used.
func (tx *txn) enforceRetention(e notify.Cleanup, limit int) (more bool, left int, err error) {
	left = limit
	err = eachNotification(tx.batch, func(n *notify.Notification) (bool, error) {
		tooMuch := sizeLimitOf(e.MaxBytes).exceeded(&tx.state)
		if !tooMuch && tx.at.Sub(n.Time) < e.Retention {
			return false, nil
		}
		if left <= 0 {
			more = true
			return false, nil
		}
		owners, err := tx.removeRetained(n.Sequence)
		left -= max(1, owners)
		return true, err
	})
	return more, left, err
}

func (tx *txn) removeRetained(seq notify.Sequence) (owners int, err error) {
	n, bytes, err := tx.notification(seq)
	if err != nil {
		return 0, err
	}
	tx.removing = cause{status: notify.StatusEvicted, reason: notify.ReasonRetention}
	return len(n.Users) + len(n.Topics), tx.removeAndRecount(&n, bytes, true)
}

// expire removes the record to which an expiry key refers, and the key. It returns the
// number of users and topics that a removed notification had.
func (tx *txn) expire(key []byte) (owners int, err error) {
	tx.remove(key)
	t, kind, ref := expiryOf(key)
	if kind != kindNotification && kind != kindChange { // these two update the usage themselves
		tx.refund(key, 0)
	}
	switch kind {
	case kindNotification:
		seq := notify.Sequence(binary.BigEndian.Uint64(ref))
		n, bytes, err := tx.notification(seq)
		if err != nil {
			return 0, err
		}
		tx.removing = cause{status: notify.StatusExpired}
		return len(n.Users) + len(n.Topics), tx.removeAndRecount(&n, bytes, false)
	case kindKey:
		name := idempotencyKey([32]byte(ref))
		b, err := get(tx.batch, name)
		if err != nil || b == nil {
			return 0, err
		}
		used, err := readUsedKey(b)
		if err != nil {
			return 0, err
		}
		if !used.at.Add(notify.KeyLifetime).After(t) { // not used again since
			tx.remove(name)
			tx.refund(name, len(b))
		}
		return 0, nil
	case kindChange:
		return 0, tx.expireChange(ref)
	case kindTicket:
		return 0, tx.expireTicket(t, ref)
	case kindErased:
		return 0, tx.expireErasure(ref)
	case kindRevocation:
		return 0, tx.expireRevocation(t, ref)
	}
	return 0, errCorrupt
}

// removeAndRecount removes n from every history, and adds the readers whose counts
// change to those that are counted again.
func (tx *txn) removeAndRecount(n *notify.Notification, bytes uint64, retention bool) error {
	_, counted, err := tx.removeEverywhere(n, bytes, retention)
	tx.recounts = append(tx.recounts, counted...)
	return err
}

// removeEverywhere removes n and its items from every history that still has one. It returns
// the owners of these histories as removed, and as counted those among them whose readers may
// have counted n as unread or unseen. If retention is set, readers who resume from an older cursor have a
// gap; expired and recalled notifications leave none.
func (tx *txn) removeEverywhere(n *notify.Notification, bytes uint64, retention bool) (removed, counted []owner, err error) {
	for _, o := range ownersOf(n) {
		found, wasCounted, err := tx.removeItem(o, n, retention)
		if err != nil {
			return nil, nil, err
		}
		if found { // false: the history has evicted it
			removed = append(removed, o)
		}
		if wasCounted {
			counted = append(counted, o)
		}
	}
	tx.deleteRecord(n, bytes)
	return removed, counted, nil
}

// eachExpired calls f with the expiry keys up to now, oldest first, until f returns
// false.
func eachExpired(r pebble.Reader, now time.Time, f func(key []byte) (bool, error)) error {
	return each(r, []byte{kindExpiry}, expiryKey(now.Add(time.Millisecond), 0, nil), func(k, _ []byte) (bool, error) {
		return f(append([]byte(nil), k...))
	})
}

// eachNotification calls f with the stored notifications, oldest first, until f returns
// false. f must not keep the content.
func eachNotification(r pebble.Reader, f func(n *notify.Notification) (bool, error)) error {
	return each(r, []byte{kindNotification}, endOfKind(kindNotification), func(k, v []byte) (bool, error) {
		b, err := resolveRecord(r, sequenceOf(k), v)
		if err != nil {
			return false, err
		}
		n, err := readForReader(sequenceOf(k), b)
		if err != nil {
			return false, err
		}
		return f(&n)
	})
}

// each calls f with the keys and values from lower up to but not including upper, until f
// returns false. f must not keep either.
func each(r pebble.Reader, lower, upper []byte, f func(k, v []byte) (bool, error)) error {
	return eachFrom((*pebble.Iterator).First, (*pebble.Iterator).Next, r, lower, upper, f)
}

// eachBackward is each in the opposite order.
func eachBackward(r pebble.Reader, lower, upper []byte, f func(k, v []byte) (bool, error)) error {
	return eachFrom((*pebble.Iterator).Last, (*pebble.Iterator).Prev, r, lower, upper, f)
}

func eachFrom(first, next func(*pebble.Iterator) bool, r pebble.Reader, lower, upper []byte, f func(k, v []byte) (bool, error)) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	defer it.Close()
	for ok := first(it); ok; ok = next(it) {
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("read the store: %w", err)
		}
		more, err := f(it.Key(), v)
		if err != nil || !more {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	return nil
}
