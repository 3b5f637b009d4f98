package store

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// mark changes the read state of notifications, and emits the change.
func (tx *txn) mark(seq notify.Sequence, e notify.Mark, v *notify.Verdict) error {
	m := &markOp{txn: tx, Mark: e, state: newUserState(tx.batch, e.Reader.User), changesLeft: tx.maxMarkChanges, readsLeft: readsPerMarkChange * tx.maxMarkChanges}
	h, err := tx.history(ofUser(e.Reader.User))
	if err != nil {
		return err
	}
	if m.muting, err = mutingOf(tx.batch, e.Reader.User, &h.history); err != nil {
		return err
	}
	if e.IDs != nil {
		err = m.markIDs()
	} else {
		v.Next, err = m.markUpTo()
	}
	if err != nil {
		return err
	}
	v.More, v.Changed = v.Next != notify.MarkPosition{}, len(m.changed)
	if len(m.changed) == 0 {
		return nil
	}
	c := notify.InboxChange{Sequence: seq, To: ofUser(e.Reader.User).readers()}
	switch e.Verb {
	case notify.VerbSeen:
		c.Seen = m.changed
	case notify.VerbRead:
		c.Read = m.changed
	case notify.VerbUnread:
		c.Unread = m.changed
	default:
		c.Archived = m.changed
	}
	tx.changes = append(tx.changes, c)
	return tx.addChange(ofUser(e.Reader.User), &c, e.Keep)
}

// markOp applies one Mark.
type markOp struct {
	*txn
	notify.Mark
	state *userState

	// muting hides notifications, which then keep their state: nobody marks what is not shown.
	muting *notify.Muting

	changed     []string // IDs of the notifications that have changed
	changesLeft int      // number of notifications that may still change
	readsLeft   int      // number of notifications that may still be read
}

// markIDs marks the notifications of m.IDs. It writes each interval set once.
func (m *markOp) markIDs() error {
	seen := make(map[string]bool, len(m.IDs))
	found := newCollected()
	for _, id := range m.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		if err := m.markOne(id, &found); err != nil {
			return err
		}
	}
	return m.markCollected(&found)
}

// collected are sequences to be marked, by the interval set in which they are marked.
type collected struct {
	everyone intervalSet
	feeds    map[string]intervalSet
	blocks   map[uint64]intervalSet
}

func newCollected() collected {
	return collected{feeds: map[string]intervalSet{}, blocks: map[uint64]intervalSet{}}
}

// add adds the shared notification n, which is at i.
func (c *collected) add(n *notify.Notification, i interval) {
	switch {
	case n.Audience == notify.AudienceAll:
		c.everyone = append(c.everyone, i)
	case isMultiTopic(n):
		b := blockOf(n.Sequence)
		c.blocks[b] = append(c.blocks[b], i)
	default:
		topic := string(n.Topics[0])
		c.feeds[topic] = append(c.feeds[topic], i)
	}
}

func (m *markOp) markCollected(found *collected) error {
	if len(found.everyone) > 0 {
		if err := m.markEveryone(sorted(found.everyone)); err != nil {
			return err
		}
	}
	for _, feed := range slices.Sorted(maps.Keys(found.feeds)) {
		if err := m.markFeed(feed, sorted(found.feeds[feed]), false); err != nil {
			return err
		}
	}
	for _, block := range slices.Sorted(maps.Keys(found.blocks)) {
		if err := m.markBlock(block, sorted(found.blocks[block])); err != nil {
			return err
		}
	}
	return nil
}

// sorted returns intervals of one sequence each in ascending order, joined.
func sorted(m intervalSet) (all intervalSet) {
	slices.SortFunc(m, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	for _, i := range m {
		all = all.join(i)
	}
	return all
}

func (m *markOp) markOne(id string, found *collected) error {
	p, ok, err := m.locateKept(id)
	if err != nil || !ok || p.deferred != nil {
		return err
	}
	n, err := m.readerNotification(p.sequence)
	switch {
	case err != nil || n.Expired(m.at):
		return err
	}
	if hidden, err := m.hides(&n); err != nil || hidden {
		return err
	}
	if n.Audience == notify.AudienceUser {
		return m.markUserItem(id, p.sequence)
	}
	visible, err := m.canRead(&n)
	if err != nil || !visible {
		return err
	}
	return m.collect(&n, found)
}

// readsPerHidden is the number of reads as which finding out whether a notification is hidden counts.
const readsPerHidden = 4

// hidesAt is hides for the notification at seq, which must exist. Without preferences that hide
// notifications it reads nothing.
func (m *markOp) hidesAt(seq notify.Sequence) (bool, error) {
	if m.muting == nil {
		return false, nil
	}
	m.readsLeft -= readsPerHidden
	n, err := m.readerNotification(seq)
	if err != nil {
		return false, err
	}
	return m.hides(&n)
}

// hides reports whether the preferences of the reader hide n.
func (m *markOp) hides(n *notify.Notification) (hidden bool, err error) {
	hidden = m.muting.Hides(n, func(t notify.Topic) bool {
		hears, failed := m.hears(t, n.Sequence)
		err = cmp.Or(err, failed)
		return hears
	})
	return hidden, err
}

// markUserItem marks an item in the history of the user, if it exists.
func (m *markOp) markUserItem(id string, seq notify.Sequence) error {
	key := ofUser(m.Reader.User).itemKey(seq)
	b, err := get(m.batch, key)
	if err != nil || b == nil {
		return err
	}
	return m.setUserItem(id, key, b)
}

func (m *markOp) setUserItem(id string, key, value []byte) error {
	before, record, err := readUserItem(value)
	if err != nil {
		return err
	}
	t := before
	if t.itemState = before.applied(m.Verb, m.at); t == before {
		return nil
	}
	h, err := m.history(ofUser(m.Reader.User))
	if err != nil {
		return err
	}
	m.touch(h)
	h.count(before.itemState, t.itemState)
	m.buffer = appendUserItem(m.buffer[:0], t, record)
	m.set(key, m.buffer)
	m.changed = append(m.changed, id)
	return nil
}

// collect adds a shared notification to found, if its state would change.
func (m *markOp) collect(n *notify.Notification, found *collected) error {
	before, err := m.sharedState(n)
	if err != nil || before.applied(m.Verb, m.at) == before {
		return err
	}
	m.changed = append(m.changed, n.ID())
	found.add(n, interval{from: n.Sequence, to: n.Sequence})
	return nil
}

func (m *markOp) sharedState(n *notify.Notification) (itemState, error) {
	switch {
	case n.Audience == notify.AudienceAll:
		all, err := m.state.everyoneIntervals()
		i, _ := all.find(n.Sequence)
		return i.itemState, err
	case isMultiTopic(n):
		return m.state.multiState(n.Sequence)
	}
	return m.state.singleState(string(n.Topics[0]), n.Sequence)
}

// canRead reports whether the shared notification n is visible to the reader.
func (m *markOp) canRead(n *notify.Notification) (bool, error) {
	if n.Audience == notify.AudienceAll {
		has, err := m.has(everyone().keyOf(n))
		return has && !n.Time.Before(m.Reader.Since), err
	}
	for _, t := range n.Topics {
		if hears, err := m.hears(t, n.Sequence); err != nil {
			return false, err
		} else if !hears {
			continue
		}
		if has, err := m.has(ofTopic(t).keyOf(n)); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// hears reports whether the reader hears what is published to a topic at a sequence. It reads no
// other membership than that in the topic.
func (m *markOp) hears(t notify.Topic, seq notify.Sequence) (bool, error) {
	if _, ok := notify.FirstMatch(m.Reader.Topics, []notify.Topic{t}); ok {
		return true, nil
	}
	within, err := loadIntervals(m.batch, membershipKey(m.Reader.User, t))
	_, ok := within.find(seq)
	return ok, err
}

// markFeed marks a feed's notifications to one topic, within ranges. If onlyExisting is set, it
// marks only those within existing intervals of the feed.
func (m *markOp) markFeed(feed string, ranges intervalSet, onlyExisting bool) error {
	own, err := m.state.ownIntervals(feed)
	if err != nil {
		return err
	}
	wider, err := m.state.widerIntervals(feed)
	if err != nil {
		return err
	}
	from := own
	if !onlyExisting {
		from = own.withFallback(wider)
	}
	next := from.apply(ranges, m.Verb, m.at, onlyExisting).differingFrom(wider)
	if next, err = m.pruned(next, len(own), ofFeed(feed).itemKey); err != nil {
		return err
	}
	m.state.set(feed, next)
	m.setIntervals(readFeedKey(m.Reader.User, feed), own, next)
	if len(own) == 0 && len(next) > 0 {
		return m.pruneFeeds()
	}
	return m.err
}

// markEveryone marks notifications to everyone, within ranges.
func (m *markOp) markEveryone(ranges intervalSet) error {
	own, err := m.state.everyoneIntervals()
	if err != nil {
		return err
	}
	next, err := m.pruned(own.apply(ranges, m.Verb, m.at, false).differingFrom(nil), len(own), everyone().itemKey)
	if err != nil {
		return err
	}
	m.state.everyone = &next
	m.setIntervals(readEveryoneKey(m.Reader.User), own, next)
	return m.err
}

// markBlock marks notifications to several topics, within one block of sequences.
func (m *markOp) markBlock(number uint64, ranges intervalSet) error {
	own, err := m.state.block(number)
	if err != nil {
		return err
	}
	record := func(seq notify.Sequence) []byte { return sequenceKey(kindNotification, seq) }
	next, err := m.pruned(own.apply(ranges, m.Verb, m.at, false).differingFrom(nil), len(own), record)
	if err != nil {
		return err
	}
	m.state.setBlock(number, next)
	m.setIntervals(readMultiKey(m.Reader.User, number), own, next)
	if len(own) == 0 && len(next) > 0 {
		return m.pruneBlocks()
	}
	return m.err
}

// pruned returns next without the intervals of removed notifications, if next has grown past a
// multiple of pruneInterval; otherwise it returns next. Pruning takes a seek for each interval.
// before is the number of intervals that the set had.
func (m *markOp) pruned(next intervalSet, before int, key func(notify.Sequence) []byte) (intervalSet, error) {
	if len(next)/pruneInterval <= before/pruneInterval {
		return next, nil
	}
	return next.pruned(m.batch, key)
}

// setIntervals replaces the record own by next, and updates the usage.
func (tx *txn) setIntervals(key []byte, own, next intervalSet) {
	if len(own) > 0 {
		tx.buffer = own.append(tx.buffer[:0])
		tx.refund(key, len(tx.buffer))
	}
	if len(next) == 0 {
		tx.remove(key)
		return
	}
	tx.setValue(key, next)
	tx.charge(key, len(tx.buffer))
}
