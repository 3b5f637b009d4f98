package store

import (
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// storeDeferred stores e until it is released.
func (tx *txn) storeDeferred(seq notify.Sequence, e notify.Publish) {
	d := notify.Deferred{At: toStored(e.DeliverAt), Sequence: seq}
	key, id := deferredKey(d), idKey(e.ID)
	e.Key = notify.Key{} // stored separately by recordKey
	tx.buffer = entry.Append(tx.buffer[:0], e)
	tx.set(key, tx.buffer)
	tx.charge(key, len(tx.buffer))
	tx.setValue(id, location{deferred: &d})
	tx.charge(id, len(tx.buffer))
}

// removeDeferred deletes a deferred publish, whose record is value. The caller deletes or
// replaces its location.
func (tx *txn) removeDeferred(d notify.Deferred, id string, value []byte) {
	key := deferredKey(d)
	tx.remove(key)
	tx.refund(key, len(value))
	tx.refund(idKey(id), len(key)-1)
}

// releaseDeferred publishes a deferred notification, if it still exists and is due.
func (tx *txn) releaseDeferred(seq notify.Sequence, e notify.Release) error {
	if e.Ref.At.After(tx.at) {
		return nil
	}
	key := deferredKey(e.Ref)
	b, err := get(tx.batch, key)
	if err != nil || b == nil {
		return err
	}
	p, err := readDeferred(b)
	if err != nil {
		return fmt.Errorf("publish %d: %w", e.Ref.Sequence, err)
	}
	tx.removeDeferred(e.Ref, p.ID, b)
	return tx.publishNow(seq, p)
}

// DueDeferred returns the deferred publishes that are due at now, in the order of their
// times, at most limit of them. next is the time of the first one that is not returned; zero: all
// are returned.
func (s *Store) DueDeferred(now time.Time, limit int) (due []notify.Deferred, next time.Time, err error) {
	err = each(s.db, []byte{kindDeferred}, endOfKind(kindDeferred), func(k, _ []byte) (bool, error) {
		d := deferredOf(k)
		if d.At.After(now) || len(due) == limit {
			next = d.At
			return false, nil
		}
		due = append(due, d)
		return true, nil
	})
	return due, next, err
}

// readDeferred decodes a deferred publish.
func readDeferred(b []byte) (notify.Publish, error) {
	if e, ok := entry.Decode(b).(notify.Publish); ok {
		return e, nil
	}
	return notify.Publish{}, errCorrupt
}
