package store

import (
	"encoding/binary"
	"errors"

	"github.com/bellhop/bellhop/internal/notify"
)

func (tx *txn) publish(seq notify.Sequence, e notify.Publish) (notify.Receipt, error) {
	receipt := notify.Receipt{ID: e.ID, Recipients: len(e.Users)}
	keyed, deferred := e.Key != (notify.Key{}), e.DeliverAt.After(tx.at) && !e.Ephemeral
	if keyed {
		first, used, err := tx.usedKey(e.Key)
		if err != nil || used {
			return first, err
		}
	}
	if (keyed || deferred) && sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return notify.Receipt{}, errFull
	}
	if keyed {
		tx.recordKey(e.Key, receipt)
	}
	if deferred {
		tx.storeDeferred(seq, e)
		return receipt, nil
	}
	return receipt, tx.publishNow(seq, e)
}

// publishNow emits the notification of e, and stores it unless e is ephemeral.
func (tx *txn) publishNow(seq notify.Sequence, e notify.Publish) error {
	n := e.Notification(seq, tx.at)
	if e.Ephemeral {
		tx.changes = append(tx.changes, &n)
		return nil
	}
	return tx.insert(&n, e)
}

// usedKey returns the first receipt under k, if k was used for the same request, and
// ErrKeyReused if it was used for another one.
func (tx *txn) usedKey(k notify.Key) (first notify.Receipt, used bool, err error) {
	key := idempotencyKey(k.Name)
	b, err := get(tx.batch, key)
	if err != nil || b == nil {
		return first, false, err
	}
	u, err := readUsedKey(b)
	switch {
	case err != nil:
		return first, false, err
	case tx.at.Sub(u.at) >= notify.KeyLifetime: // expired, and no Cleanup has removed it yet
		tx.remove(key)
		tx.refund(key, len(b))
		return first, false, nil
	case u.fingerprint != k.Fingerprint:
		return first, true, notify.Errorf(notify.ErrKeyReused, "the key was used for a request with another body")
	}
	first = u.receipt
	first.Duplicate = true
	return first, true, nil
}

func (tx *txn) recordKey(k notify.Key, r notify.Receipt) {
	key, end := idempotencyKey(k.Name), expiryKey(tx.at.Add(notify.KeyLifetime), kindKey, k.Name[:])
	tx.setValue(key, usedKey{tx.at, k.Fingerprint, r})
	tx.charge(key, len(tx.buffer))
	tx.set(end, nil)
	tx.charge(end, 0)
}

// insert stores n, adds it to the histories of its owners and emits it.
func (tx *txn) insert(n *notify.Notification, e notify.Publish) error {
	tx.record = appendNotification(tx.record[:0], n)
	tx.state.bytes += size(n, tx.record)
	if isInlined(n) { // addItem writes the record
		tx.buffer = appendInlineRef(tx.buffer[:0], n.Users[0])
		tx.set(sequenceKey(kindNotification, n.Sequence), tx.buffer)
	} else {
		tx.set(sequenceKey(kindNotification, n.Sequence), tx.record)
	}
	tx.key = appendIDKey(tx.key[:0], e.ID)
	tx.set(tx.key, binary.BigEndian.AppendUint64(tx.buffer[:0], uint64(n.Sequence)))
	if !n.Expires.IsZero() {
		tx.set(notificationExpiryKey(n), nil)
	}
	if n.CollapseKey != "" {
		return errors.Join(tx.insertCollapsing(n, e.Keep), tx.leaveOut(n))
	}
	tx.changes = append(tx.changes, n)
	if n.Audience == notify.AudienceUser { // the common case
		for _, u := range n.Users {
			if err := tx.addItem(ofUser(u), n, userItem{}, e.Keep); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range ownersOf(n) {
		if err := tx.addItem(o, n, userItem{}, e.Keep); err != nil {
			return err
		}
	}
	return tx.leaveOut(n)
}

// leaveOut hides n, which is in shared histories, from the users in n.Except: their read state says
// so, in the same place as it would say that they have read it.
func (tx *txn) leaveOut(n *notify.Notification) error {
	at := interval{from: n.Sequence, to: n.Sequence}
	for _, u := range n.Except {
		m := &markOp{txn: tx, Mark: notify.Mark{Reader: notify.Reader{User: u}, Verb: verbHide}, state: newUserState(tx.batch, u)}
		found := newCollected()
		found.add(n, at)
		if err := m.markCollected(&found); err != nil {
			return err
		}
	}
	return nil
}

// size returns the bytes that a notification takes: its record, its location, its item in
// each history, its expiry and its reference count.
func size(n *notify.Notification, record []byte) uint64 {
	const key, perName, expiry, refCount = 1 + 8, 2, 1 + 8 + 1 + 8, 1 + 8 + 8
	total := uint64(len(record) + key + locationBytes)
	if !n.Expires.IsZero() {
		total += expiry
	}
	if len(n.Users)+len(n.Topics) > 1 {
		total += refCount
	}
	for _, u := range n.Users {
		total += uint64(key + perName + len(u))
	}
	for _, t := range n.Topics {
		total += uint64(key + perName + len(t))
		for _, p := range patternsOf(string(t)) {
			total += uint64(key + perName + len(p) + len(t))
		}
	}
	return total
}

func notificationExpiryKey(n *notify.Notification) []byte {
	return expiryKey(n.Expires, kindNotification, binary.BigEndian.AppendUint64(nil, uint64(n.Sequence)))
}

// dropReference decrements the reference count of n after one history has removed it, and deletes
// n when no history has it.
func (tx *txn) dropReference(n *notify.Notification, bytes uint64) error {
	if owners := len(n.Users) + len(n.Topics); owners > 1 {
		key := sequenceKey(kindRefCount, n.Sequence)
		b, err := get(tx.batch, key)
		if err != nil {
			return err
		}
		refs := uint64(owners)
		if b != nil {
			refs = binary.BigEndian.Uint64(b)
		}
		if refs > 1 {
			tx.set(key, binary.BigEndian.AppendUint64(nil, refs-1))
			if n.Audience == notify.AudienceUser {
				tx.recordRemoval(n, true)
			}
			return nil
		}
	}
	tx.deleteRecord(n, bytes)
	return nil
}

// deleteRecord deletes the record of a notification that is in no history any more, and records
// its removal.
func (tx *txn) deleteRecord(n *notify.Notification, bytes uint64) {
	tx.remove(sequenceKey(kindNotification, n.Sequence))
	if len(n.Users)+len(n.Topics) > 1 {
		tx.remove(sequenceKey(kindRefCount, n.Sequence))
	}
	tx.recordRemoval(n, false)
	tx.forgetDeliveries(n)
	if !n.Expires.IsZero() {
		tx.remove(notificationExpiryKey(n))
	}
	tx.state.bytes -= bytes
}

// notification reads the record at seq, and returns the size of the notification too.
func (tx *txn) notification(seq notify.Sequence) (notify.Notification, uint64, error) {
	b, err := readRecordOf(tx.batch, seq)
	if err != nil {
		return notify.Notification{}, 0, err
	}
	n, err := readNotification(seq, b)
	return n, size(&n, b), err
}

// readerNotification reads the record at seq, which must exist, without the list of users.
func (tx *txn) readerNotification(seq notify.Sequence) (notify.Notification, error) {
	b, err := readRecordOf(tx.batch, seq)
	if err != nil {
		return notify.Notification{}, err
	}
	return readForReader(seq, b)
}
