package store

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/cache"
)

// maxCachedHistories is the number of histories in a generation of the cache after which
// it rotates. The cache holds at most two generations between transactions.
const maxCachedHistories = 16 << 10

// histories caches the histories that were used recently, so that a publish to an active
// user reads nothing from disk. It rotates only between transactions, since a history may
// have changes that are not in the batch yet.
type histories = cache.Map[owner, *cachedHistory]

// cachedHistory is a history with the changes of all entries so far.
type cachedHistory struct {
	history
	owner   owner
	dirty   bool   // it has changes that are not in the batch yet
	touched bool   // by the current entry
	counted uint64 // size of its record that is included in state.other
}

// history returns the history of o. Callers must call touch before they change it.
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

// touch schedules h to be counted after the entry, and written to the batch after all
// entries.
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

// countHistories updates the usage by the histories that the entry has changed. It runs
// after each entry and not only after all: entries are refused by the usage, and a
// verdict must not depend on which entries share a transaction.
func (tx *txn) countHistories() {
	for _, h := range tx.touched {
		h.touched = false
		was := h.counted
		h.counted = 0
		if !h.isEmpty() {
			tx.key, tx.buffer = h.owner.appendHistoryKey(tx.key[:0]), h.history.append(tx.buffer[:0])
			h.counted = recordBytes(tx.key, len(tx.buffer))
		}
		tx.refundBytes(h.owner.content(), was)
		tx.chargeBytes(h.owner.content(), h.counted)
	}
	tx.touched = tx.touched[:0]
}

// setHistories writes the changed histories to the batch, and deletes the empty ones.
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
	tx.dirty = tx.dirty[:0]
}

// discardEmpty discards a history that has no notifications and no changes, and merges
// the sequence up to which it was truncated into that of the store: a reader with an
// earlier cursor gets a reset. Otherwise every user and topic that ever had a notification
// would take space forever.
func (tx *txn) discardEmpty(h *cachedHistory) {
	if h.owner != everyone() && h.kept == 0 && h.changes == 0 && h.topics == 0 && !h.mutes {
		tx.state.truncated = max(tx.state.truncated, h.truncated(), h.muted)
		h.history = history{}
	}
}

func readHistoryOf(r pebble.Reader, o owner) (history, error) {
	b, err := get(r, o.historyKey())
	if err != nil || b == nil {
		return history{}, err
	}
	return readHistory(b)
}
