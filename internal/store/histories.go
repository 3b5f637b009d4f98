package store

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/cache"
	"github.com/bellhop/bellhop/internal/notify"
)

// maxCachedHistories is the number of histories in a generation of the cache after which
// it rotates. The cache holds at most two generations between transactions.
const maxCachedHistories = 16 << 10

// histories caches the histories that were used recently, so that a publish to an active
// user reads nothing from disk. It rotates only between transactions, since a history may
// have changes that are not in the batch yet.
type histories = cache.Map[owner, *cachedHistory]

// cachedHistory is a history as the entries applied so far leave it.
type cachedHistory struct {
	history
	owner   owner
	dirty   bool   // and not in the batch yet
	touched bool   // by the entry that is being applied
	counted uint64 // the bytes of its record in state.other
}

// history returns the history of o, which is to be changed through change only.
func (tx *txn) history(o owner) (*cachedHistory, error) {
	if h, ok := tx.histories.Get(o); ok {
		return h, nil
	}
	b, err := get(tx.batch, o.historyKey())
	if err != nil {
		return nil, err
	}
	h := &cachedHistory{owner: o.clone()}
	if b != nil {
		h.counted = recordBytes(o.historyKey(), len(b))
		if h.history, err = readHistory(b); err != nil {
			return nil, err
		}
	}
	tx.histories.Put(h.owner, h)
	return h, nil
}

// touch has h counted when the entry is applied, and written when all are.
func (tx *txn) touch(h *cachedHistory) {
	if !h.dirty {
		h.dirty = true
		tx.dirty = append(tx.dirty, h)
	}
	if !h.touched {
		h.touched = true
		tx.touched = append(tx.touched, h)
	}
}

// countHistories counts the histories that an entry has changed. They are not left to
// setHistories, since entries are refused by the count: the verdict on an entry must
// not depend on which others are in its group.
func (tx *txn) countHistories() {
	for _, h := range tx.touched {
		h.touched = false
		was := h.counted
		h.counted = 0
		if !h.isEmpty() {
			tx.key, tx.buffer = h.owner.appendHistoryKey(tx.key[:0]), h.history.append(tx.buffer[:0])
			h.counted = recordBytes(tx.key, len(tx.buffer))
		}
		tx.state.other = tx.state.other - min(tx.state.other, was) + h.counted
	}
	tx.touched = tx.touched[:0]
}

// setHistories writes what has changed, unless there is nothing to remember.
func (tx *txn) setHistories() {
	for _, h := range tx.dirty {
		h.dirty = false
		tx.key = h.owner.appendHistoryKey(tx.key[:0])
		if h.isEmpty() {
			tx.remove(tx.key)
			continue
		}
		tx.buffer = h.history.append(tx.buffer[:0])
		tx.set(tx.key, tx.buffer)
	}
}

// discardEmpty gives up a history that has nothing but a hole, and takes the hole for
// everybody's: a reader with a cursor from before it is told that it may have missed
// something. Otherwise the name of everyone who was ever told something would be
// kept for ever.
func (tx *txn) discardEmpty(h *cachedHistory) {
	if h.owner != everyone() && h.kept == 0 && h.unread == 0 && h.changes == 0 {
		tx.state.truncated = max(tx.state.truncated, h.truncated())
		h.history = history{}
	}
}

// addItem puts n at the end of a history, which keeps the newest ones only.
func (tx *txn) addItem(o owner, n *notify.Notification, t userItem, most int) error {
	if o.isShared() {
		return tx.addSharedItem(o, n, t.replaces, most)
	}
	h, err := tx.history(o)
	if err != nil {
		return err
	}
	tx.touch(h)
	h.kept++
	h.unread++
	var record []byte
	if isInlined(n) {
		record = tx.record
	}
	tx.buffer = appendUserItem(tx.buffer[:0], t, record)
	tx.set(o.itemKey(n.Sequence), tx.buffer)
	return tx.evict(h, n.Sequence, most)
}

// removeItem removes the item of n from the history of o; held is false if that has
// none. wasUnread says that a reader of the history may have counted n as unread: for a
// shared history, this is not known and assumed.
func (tx *txn) removeItem(o owner, n *notify.Notification, retention bool) (held, wasUnread bool, err error) {
	key := o.keyOf(n)
	v, err := get(tx.batch, key)
	if err != nil || v == nil {
		return false, false, err
	}
	if o.isShared() {
		wasUnread, err = true, tx.removeSharedItem(o, n, retention)
	} else {
		wasUnread, err = tx.removeUserItem(o, n, v, retention)
	}
	if err != nil {
		return false, false, err
	}
	return true, wasUnread, tx.forgetCollapse(o, n)
}

// removeUserItem takes n, which is there as value, out of the history of a user.
func (tx *txn) removeUserItem(o owner, n *notify.Notification, value []byte, retention bool) (wasUnread bool, err error) {
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
	if item.unread() {
		h.unread--
	}
	if tx.discardsEmpty {
		tx.discardEmpty(h)
	}
	return item.unread(), nil
}

func readHistoryOf(r pebble.Reader, o owner) (history, error) {
	b, err := get(r, o.historyKey())
	if err != nil || b == nil {
		return history{}, err
	}
	return readHistory(b)
}
