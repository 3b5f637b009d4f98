package store

import (
	"cmp"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// sharedItem is an item of a feed or of everyone. It has all that marking, counting and listing by
// state need, so that these read no other record of the notification.
type sharedItem struct {
	id            []byte // as shortID returns it
	time, expires int64  // milliseconds since 1970
	topic         []byte // in a pattern's item of a notification to one topic: the topic
	replaces      []byte // ID of the notification that it replaced, if it was published to one topic
}

func appendSharedItem(dst []byte, n *notify.Notification, home, replaces string) []byte {
	dst = pack.AppendString(dst, shortID(n.ID()))
	dst = pack.AppendMillis(dst, n.Time)
	dst = pack.AppendMillis(dst, n.Expires)
	dst = pack.AppendString(dst, home)
	return append(dst, replaces...)
}

// readSharedItem decodes an item. Its slices are parts of b.
func readSharedItem(b []byte) (sharedItem, error) {
	r := pack.NewReader(b)
	e := sharedItem{id: r.Sized()}
	e.time, e.expires = int64(r.Uint()), int64(r.Uint()) //nolint:gosec // what appendSharedItem has put there
	e.topic = r.Sized()
	e.replaces = r.Rest()
	return e, r.Err()
}

// isMultiTopic reports whether n was published to several topics.
func isMultiTopic(n *notify.Notification) bool { return len(n.Topics) > 1 }

// multi returns the owner of a feed's items that were published to several topics.
func (o owner) multi() owner { return owner{kindMultiItem, o.name} }

// keyOf returns the key of o's item of n.
func (o owner) keyOf(n *notify.Notification) []byte {
	if o.kind == kindFeedItem && isMultiTopic(n) {
		return o.multi().itemKey(n.Sequence)
	}
	return o.itemKey(n.Sequence)
}

// addSharedItem appends n to the history of a topic or of everyone, and to those of the
// patterns that match the topic.
func (tx *txn) addSharedItem(o owner, n *notify.Notification, replaces string, limit int) error {
	h, err := tx.history(o)
	if err != nil {
		return err
	}
	tx.putSharedItem(h, n, "", replaces)
	if o.kind == kindFeedItem {
		if err := tx.addPatternItems(o, n, replaces); err != nil {
			return err
		}
	}
	return tx.evict(h, n.Sequence, limit)
}

func (tx *txn) addPatternItems(topic owner, n *notify.Notification, replaces string) error {
	for _, p := range patternsOf(topic.name) {
		o := ofFeed(p)
		if isMultiTopic(n) {
			has, err := tx.has(o.keyOf(n))
			if err != nil {
				return err
			}
			if has { // another topic of n has added it
				continue
			}
		}
		h, err := tx.history(o)
		if err != nil {
			return err
		}
		tx.putSharedItem(h, n, topic.name, replaces)
	}
	return nil
}

// putSharedItem appends n to one shared history.
func (tx *txn) putSharedItem(h *cachedHistory, n *notify.Notification, home, replaces string) {
	tx.touch(h)
	h.kept++
	h.newest = n.Sequence
	if isMultiTopic(n) {
		h.multi++
		home = ""
		if h.owner.isPattern() {
			replaces = "" // it may differ from topic to topic
		}
	}
	tx.buffer = appendSharedItem(tx.buffer[:0], n, home, replaces)
	tx.set(h.owner.keyOf(n), tx.buffer)
	tx.indexChanges = append(tx.indexChanges, indexChange{owner: h.owner, seq: n.Sequence, multi: isMultiTopic(n), time: toMillis(n.Time)})
}

// deleteSharedItem removes n from one shared history.
func (tx *txn) deleteSharedItem(h *cachedHistory, n *notify.Notification, retention bool) {
	tx.touch(h)
	h.kept--
	if isMultiTopic(n) {
		h.multi--
	}
	if retention {
		h.noteRemoved(n)
	}
	tx.remove(h.owner.keyOf(n))
	tx.indexChanges = append(tx.indexChanges, indexChange{owner: h.owner, seq: n.Sequence, multi: isMultiTopic(n), removed: true})
	if tx.discardsEmpty {
		tx.discardEmpty(h)
	}
}

// removeSharedItem removes n from the history of a topic or of everyone. It also removes n from
// the patterns that match the topic, except from those that match another topic that still has
// n.
func (tx *txn) removeSharedItem(o owner, n *notify.Notification, retention bool) error {
	h, err := tx.history(o)
	if err != nil {
		return err
	}
	tx.deleteSharedItem(h, n, retention)
	if o.kind != kindFeedItem {
		return nil
	}
	for _, p := range patternsOf(o.name) {
		has, err := tx.patternHas(notify.TopicPattern(p), n)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		of, err := tx.history(ofFeed(p))
		if err != nil {
			return err
		}
		tx.deleteSharedItem(of, n, retention)
	}
	return nil
}

// patternHas reports whether a topic that p matches still has n.
func (tx *txn) patternHas(p notify.TopicPattern, n *notify.Notification) (bool, error) {
	if !isMultiTopic(n) {
		return false, nil
	}
	for _, t := range n.Topics {
		if !p.Matches(t) {
			continue
		}
		if has, err := tx.has(ofTopic(t).keyOf(n)); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

func (tx *txn) has(key []byte) (bool, error) {
	b, err := get(tx.batch, key)
	return b != nil, err
}

// oldest returns the lowest sequence in a history that is not empty. It skips the deleted
// keys up to h.removed, which are slow to read.
func (tx *txn) oldest(h *cachedHistory) (notify.Sequence, error) {
	seq, err := firstIn(tx.batch, h.owner, h.removed)
	if err != nil || h.multi == 0 {
		return seq, cmp.Or(err, orCorrupt(seq))
	}
	several, err := firstIn(tx.batch, h.owner.multi(), h.removed)
	if err != nil {
		return 0, err
	}
	if seq == 0 || several > 0 && several < seq {
		seq = several
	}
	return seq, orCorrupt(seq)
}

// orCorrupt returns errCorrupt if a history that is not empty has no item.
func orCorrupt(seq notify.Sequence) error {
	if seq == 0 {
		return errCorrupt
	}
	return nil
}

// firstIn returns the sequence of the first item of o after a sequence; 0: no item follows.
func firstIn(r pebble.Reader, o owner, after notify.Sequence) (seq notify.Sequence, err error) {
	err = each(r, o.itemKey(after+1), o.itemKey(^notify.Sequence(0)), func(k, _ []byte) (bool, error) {
		seq = sequenceOf(k)
		return false, nil
	})
	return seq, err
}
