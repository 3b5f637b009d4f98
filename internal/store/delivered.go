package store

import (
	"bytes"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// A delivery is the time at which a notification was first written to a device of a user. It is
// kept if the publisher has asked for a receipt, in a key of its own, beside a key with the size of
// all deliveries of the notification: so they can be deleted together, however many there are.

func deliveryKey(seq notify.Sequence, u notify.UserID) []byte {
	return append(deliveriesKey(seq), u...)
}

// deliveriesKey returns the key of the size of the deliveries of the notification at seq, which is
// also the beginning of their keys.
func deliveriesKey(seq notify.Sequence) []byte { return sequenceKey(kindDelivery, seq) }

// deliver records the first deliveries of notifications that exist and want receipts, to users who
// have them and were not erased meanwhile.
func (tx *txn) deliver(e notify.Delivered) error {
	if sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return nil // reading a notification still shows that it was delivered
	}
	for _, d := range e.Deliveries {
		if err := tx.deliverOne(d); err != nil {
			return err
		}
	}
	return tx.err
}

func (tx *txn) deliverOne(d notify.Delivery) error {
	key := deliveryKey(d.Sequence, d.User)
	if has, err := tx.has(key); has || err != nil {
		return err
	}
	record, err := readRecordOf(tx.batch, d.Sequence)
	if err != nil {
		return err
	}
	if record == nil {
		return tx.deliverRemoved(d)
	}
	n, err := readForReader(d.Sequence, record)
	if err != nil || !n.Receipt {
		return err
	}
	if erased, err := tx.erasedAfter(d.Sequence, d.User); erased || err != nil {
		return err
	}
	if n.Audience == notify.AudienceUser { // it may have been removed from the history of the user
		if has, err := tx.has(ofUser(d.User).itemKey(d.Sequence)); err != nil {
			return err
		} else if !has {
			return tx.deliverRemoved(d)
		}
	}
	tx.buffer = pack.AppendMillis(tx.buffer[:0], tx.at)
	size := int64(recordBytes(key, len(tx.buffer))) //nolint:gosec // lengths
	tx.set(key, tx.buffer)
	return tx.resizeDeliveries(d.Sequence, size)
}

// deliverRemoved records a delivery that became known after its notification was removed, in the
// removal. An erasure leaves no user in it.
func (tx *txn) deliverRemoved(d notify.Delivery) error {
	for _, key := range [][]byte{userRemovalKey(d.Sequence, d.User), removalKey(d.Sequence)} {
		b, err := get(tx.batch, key)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		r, err := readRemoval(b)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.users, func(u removedUser) bool { return u.user == d.User && !u.hidden })
		if i >= 0 && r.users[i].delivered == 0 {
			r.users[i].delivered = toMillis(tx.at)
			tx.state.removals -= min(tx.state.removals, recordBytes(key, len(b)))
			tx.setRemoval(key, &r, 0)
		}
		if i >= 0 {
			return nil
		}
	}
	return nil
}

// resizeDeliveries adds to the size of the deliveries of a notification, and counts it.
func (tx *txn) resizeDeliveries(seq notify.Sequence, by int64) error {
	key := deliveriesKey(seq)
	before, err := get(tx.batch, key)
	if err != nil {
		return err
	}
	size := int64(0)
	if before != nil {
		size = int64(pack.NewReader(before).Uint()) //nolint:gosec // written below
		tx.refund(key, len(before)+int(size))
	}
	if size += by; size <= 0 {
		tx.remove(key)
		return nil
	}
	tx.buffer = pack.AppendUint(tx.buffer[:0], uint64(size))
	tx.set(key, tx.buffer)
	tx.charge(key, len(tx.buffer)+int(size))
	return nil
}

// forgetDeliveries deletes the deliveries of a notification that is removed.
func (tx *txn) forgetDeliveries(n *notify.Notification) {
	if !n.Receipt || tx.err != nil {
		return
	}
	key := deliveriesKey(n.Sequence)
	b, err := get(tx.batch, key)
	if err == nil && b != nil {
		tx.refund(key, len(b)+int(pack.NewReader(b).Uint())) //nolint:gosec // a size
		err = tx.batch.DeleteRange(key, deliveriesKey(n.Sequence+1), nil)
	}
	if err != nil {
		tx.err = err
	}
}

// deliveredAt returns when n was delivered to u: when it was first written to a device, or seen if
// that is not known. It is zero if n wants no receipt.
func deliveredAt(r pebble.Reader, n *notify.Notification, u notify.UserID, v *notify.View) (time.Time, error) {
	if !n.Receipt {
		return time.Time{}, nil
	}
	b, err := get(r, deliveryKey(n.Sequence, u))
	if err != nil || b == nil {
		return v.Seen, err
	}
	p := pack.NewReader(b)
	at := p.Millis()
	return at, p.Err()
}

// isDeliveryTo reports whether a key is that of a delivery to u.
func isDeliveryTo(key []byte, u notify.UserID) bool {
	return len(key) > 1+8 && bytes.Equal(key[1+8:], []byte(u))
}

func eraseDelivery(x *eraser, key, value []byte) error {
	if !isDeliveryTo(key, x.user) {
		return nil
	}
	x.left -= changeCost
	x.remove(key)
	return x.resizeDeliveries(sequenceOf(key[:1+8]), -int64(recordBytes(key, len(value)))) //nolint:gosec // lengths
}

func exportDelivery(x *exporter, key, value []byte) error {
	if !isDeliveryTo(key, x.user) {
		return nil
	}
	p := pack.NewReader(value)
	seq := sequenceOf(key[:1+8])
	x.add(Kept{Kind: KeptDelivery, From: seq, To: seq, At: p.Millis()})
	return p.Err()
}
