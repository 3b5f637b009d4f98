package store

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// userItem is an item of a user.
type userItem struct {
	itemState
	replaces string
}

// inlineMarker is the prefix of a user item that contains the record, and of the value at the
// notification's own key that names the user with this item. No other value begins with it: it
// is an uvarint that is longer than necessary, which AppendUvarint never writes.
func inlineMarker() []byte { return []byte{0x80, 0} }

// appendUserItem encodes t. The record of a notification to a single user is part of the
// item, so that reading a history needs no other lookup.
func appendUserItem(dst []byte, t userItem, record []byte) []byte {
	if record != nil {
		dst = append(dst, inlineMarker()...)
	} else if t == (userItem{}) {
		return dst
	}
	dst = t.itemState.append(dst)
	if record == nil {
		return append(dst, t.replaces...)
	}
	return append(pack.AppendString(dst, t.replaces), record...)
}

// readUserItem decodes an item. The record is a part of b, and nil if it is not in the
// item.
func readUserItem(b []byte) (t userItem, record []byte, err error) {
	if len(b) == 0 {
		return userItem{}, nil, nil
	}
	rest, isInlined := bytes.CutPrefix(b, inlineMarker())
	r := pack.NewReader(rest)
	t = userItem{itemState: decodeItemState(r)}
	if !isInlined {
		t.replaces = string(r.Rest())
		return t, nil, r.Err()
	}
	t.replaces = r.String()
	return t, r.Rest(), r.Err()
}

func (t userItem) view() notify.View {
	v := t.itemState.view()
	v.Replaces = t.replaces
	return v
}

// addItem appends n to the history of o, and evicts the oldest notifications above limit.
func (tx *txn) addItem(o owner, n *notify.Notification, t userItem, limit int) error {
	if o.isShared() {
		return tx.addSharedItem(o, n, t.replaces, limit)
	}
	h, err := tx.history(o)
	if err != nil {
		return err
	}
	tx.touch(h)
	h.kept++
	h.unread++
	h.unseen++
	var record []byte
	if isInlined(n) {
		record = tx.record
	}
	tx.buffer = appendUserItem(tx.buffer[:0], t, record)
	tx.set(o.itemKey(n.Sequence), tx.buffer)
	return tx.evict(h, n.Sequence, limit)
}

// removeItem removes the item of n from the history of o; found is false if the history has no
// such item. wasCounted says that a reader of the history may have counted n as unread or as
// unseen: for a shared history this is not known, and true is assumed.
func (tx *txn) removeItem(o owner, n *notify.Notification, retention bool) (found, wasCounted bool, err error) {
	key := o.keyOf(n)
	v, err := get(tx.batch, key)
	if err != nil || v == nil {
		return false, false, err
	}
	if o.isShared() {
		wasCounted, err = true, tx.removeSharedItem(o, n, retention)
	} else {
		wasCounted, err = tx.removeUserItem(o, n, v, retention)
	}
	if err != nil {
		return false, false, err
	}
	return true, wasCounted, tx.forgetCollapse(o, n)
}

// removeUserItem removes the item of n, with this value, from the history of a user.
func (tx *txn) removeUserItem(o owner, n *notify.Notification, value []byte, retention bool) (wasCounted bool, err error) {
	item, _, err := readUserItem(value)
	if err != nil {
		return false, err
	}
	h, err := tx.history(o)
	if err != nil {
		return false, err
	}
	tx.touch(h)
	h.kept--
	if retention {
		h.noteRemoved(n)
	}
	tx.remove(o.itemKey(n.Sequence))
	tx.noteRemoved(notify.UserID(o.name), item.itemState)
	h.count(item.itemState, itemState{seen: 1, read: 1})
	if tx.discardsEmpty {
		tx.discardEmpty(h)
	}
	return item.unread() || item.unseen(), nil
}

// isInlined reports whether the record of n is part of the item of its only user.
func isInlined(n *notify.Notification) bool {
	return n.Audience == notify.AudienceUser && len(n.Users) == 1
}

// appendInlineRef encodes the value at the notification's own key, if its record is part
// of u's item.
func appendInlineRef(dst []byte, u notify.UserID) []byte {
	return append(append(dst, inlineMarker()...), u...)
}

// readRecordOf returns the record of the notification at seq; nil: no such notification.
func readRecordOf(r pebble.Reader, seq notify.Sequence) ([]byte, error) {
	b, err := get(r, sequenceKey(kindNotification, seq))
	if err != nil {
		return nil, err
	}
	return resolveRecord(r, seq, b)
}

// resolveRecord returns the record of the notification at seq, given the value b of its
// own key: b, or the record in the item to which b refers.
func resolveRecord(r pebble.Reader, seq notify.Sequence, b []byte) ([]byte, error) {
	user, isRef := bytes.CutPrefix(b, inlineMarker())
	if !isRef {
		return b, nil
	}
	b, err := get(r, ofUser(notify.UserID(user)).itemKey(seq))
	if err != nil {
		return nil, err
	}
	_, record, err := readUserItem(b)
	if err == nil && record == nil {
		err = errCorrupt
	}
	return record, err
}
