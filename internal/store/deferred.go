package store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// storeDeferred keeps e until it is released.
func (tx *txn) storeDeferred(seq notify.Sequence, e notify.Publish) {
	d := notify.Deferred{At: toStored(e.DeliverAt), Sequence: seq}
	key, id := deferredKey(d), idKey(e.ID)
	tx.setValue(key, deferred(e))
	tx.charge(key, len(tx.buffer))
	tx.setValue(id, location{deferred: &d})
	tx.charge(id, len(tx.buffer))
}

// removeDeferred removes what was deferred as an ID, of which value is kept. Its
// place is removed, or written anew, by the caller.
func (tx *txn) removeDeferred(d notify.Deferred, id string, value []byte) {
	key := deferredKey(d)
	tx.remove(key)
	tx.refund(key, len(value))
	tx.refund(idKey(id), len(key)-1)
}

// releaseDeferred tells what was deferred, if it is still there and due.
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

// DueDeferred returns what is to be released by now, in the order of the times
// at which it was due, and when the next is; zero if none is.
func (s *Store) DueDeferred(now time.Time, most int) (due []notify.Deferred, next time.Time, err error) {
	err = each(s.db, []byte{kindDeferred}, endOfKind(kindDeferred), func(k, _ []byte) (bool, error) {
		d := deferredOf(k)
		if d.At.After(now) || len(due) == most {
			next = d.At
			return false, nil
		}
		due = append(due, d)
		return true, nil
	})
	return due, next, err
}

// deferred is a publish as it is kept. Its idempotency key was used already.
type deferred notify.Publish

func (d deferred) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(d.TTL/time.Millisecond)) //nolint:gosec // never negative
	dst = binary.AppendUvarint(dst, uint64(max(0, d.Keep)))
	n := notify.Publish(d).Notification(0, time.UnixMilli(1)) // which time is settled later
	n.Expires = time.Time{}
	dst = appendString(dst, d.ID)
	return appendNotification(dst, &n)
}

func readDeferred(b []byte) (notify.Publish, error) {
	r := record{b: b}
	e := notify.Publish{TTL: time.Duration(r.uvarint()) * time.Millisecond, Keep: int(r.uvarint()), ID: r.string()} //nolint:gosec // what append has put there
	if r.err != nil {
		return e, r.err
	}
	n, err := readNotification(0, r.b)
	e.Audience, e.Users, e.Topics, e.CollapseKey, e.Content = n.Audience, n.Users, n.Topics, n.CollapseKey, n.Content
	return e, err
}
