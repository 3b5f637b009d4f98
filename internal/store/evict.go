package store

import "github.com/bellhop/bellhop/internal/notify"

// evict removes the oldest notifications of a history that exceeds limit after the notification
// at seq was added, and emits them as recalled. The change to a single user carries an unread
// count; readers of a shared history get a Recount. limit 0: no limit.
func (tx *txn) evict(h *cachedHistory, seq notify.Sequence, limit int) error {
	if limit <= 0 || h.kept <= uint64(limit) {
		return nil
	}
	tx.removing = cause{status: notify.StatusEvicted, reason: notify.ReasonFull}
	c := notify.InboxChange{Sequence: seq, To: h.owner.readers(), Evicted: true}
	for i := 0; i < maxEvictions && h.kept > uint64(limit); i++ {
		n, err := tx.dropOldest(h)
		if err != nil {
			return err
		}
		held, err := tx.topicsHolding(&n)
		if err != nil {
			return err
		}
		if len(held) > 0 { // readers of these topics keep it
			tx.changes = append(tx.changes, notify.InboxChange{
				Sequence: seq, To: c.To, Recalled: []string{n.ID()}, Evicted: true, HeldBy: held, EvictedAt: n.Sequence,
			})
			continue
		}
		c.Recalled = append(c.Recalled, n.ID())
	}
	if len(c.Recalled) > 0 {
		tx.changes = append(tx.changes, c)
	}
	if h.owner.isShared() {
		tx.recounts = append(tx.recounts, h.owner)
	}
	return nil
}

// dropOldest removes the oldest notification of a history, and returns it.
func (tx *txn) dropOldest(h *cachedHistory) (notify.Notification, error) {
	seq, err := tx.oldest(h)
	if err != nil {
		return notify.Notification{}, err
	}
	n, bytes, err := tx.notification(seq)
	if err != nil {
		return n, err
	}
	if _, _, err := tx.removeItem(h.owner, &n, !n.Expired(tx.at)); err != nil {
		return n, err
	}
	return n, tx.dropReference(&n, bytes)
}

// topicsHolding returns the topics that still have n, if it was published to several.
func (tx *txn) topicsHolding(n *notify.Notification) (topics []notify.Topic, err error) {
	if !isMultiTopic(n) {
		return nil, nil
	}
	for _, t := range n.Topics {
		has, err := tx.has(ofTopic(t).keyOf(n))
		if err != nil {
			return nil, err
		}
		if has {
			topics = append(topics, t)
		}
	}
	return topics, nil
}
