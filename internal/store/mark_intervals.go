package store

import (
	"github.com/bellhop/bellhop/internal/notify"
)

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
func (m *markOp) setIntervals(key []byte, own, next intervalSet) {
	if len(own) > 0 {
		m.buffer = own.append(m.buffer[:0])
		m.refund(key, len(m.buffer))
	}
	if len(next) == 0 {
		m.remove(key)
		return
	}
	m.setValue(key, next)
	m.charge(key, len(m.buffer))
}

// pruneFeeds checks the next few feeds that the user has marked, and deletes the intervals of
// feeds without notifications. It stores the position at which the next call continues.
func (m *markOp) pruneFeeds() error {
	position := readFeedKey(m.Reader.User, "")
	from, err := get(m.batch, position)
	if err != nil {
		return err
	}
	var checked []string
	err = m.state.eachUnder("", string(from)+"\x00", func(feed string, _ intervalSet) (bool, error) {
		checked = append(checked, feed)
		return len(checked) < maxPrunedPerMark, nil
	})
	if err != nil {
		return err
	}
	for _, feed := range checked {
		h, err := m.history(ofFeed(feed))
		if err != nil {
			return err
		}
		if h.kept == h.multi {
			own, err := m.state.ownIntervals(feed)
			if err != nil {
				return err
			}
			m.state.set(feed, nil)
			m.setIntervals(readFeedKey(m.Reader.User, feed), own, nil)
		}
	}
	if from != nil {
		m.refund(position, len(from))
		m.remove(position)
	}
	if len(checked) == maxPrunedPerMark { // otherwise the next call starts at the first feed
		last := []byte(checked[len(checked)-1])
		m.set(position, last)
		m.charge(position, len(last))
	}
	return m.err
}

// pruneBlocks deletes the first blocks of the user if their notifications are removed.
func (m *markOp) pruneBlocks() error {
	prefix := readStatePrefix(kindReadMulti, m.Reader.User)
	var blocks []uint64
	err := each(m.batch, prefix, endOfPrefix(prefix), func(k, _ []byte) (bool, error) {
		blocks = append(blocks, uint64(sequenceOf(k)))
		return len(blocks) < maxPrunedPerMark, nil
	})
	if err != nil {
		return err
	}
	for _, b := range blocks {
		begin := notify.Sequence(b << blockBits)
		kept := false
		err := each(m.batch, sequenceKey(kindNotification, begin), sequenceKey(kindNotification, begin+1<<blockBits), func(_, _ []byte) (bool, error) {
			kept = true
			return false, nil
		})
		if err != nil {
			return err
		}
		if !kept {
			own, err := m.state.block(b)
			if err != nil {
				return err
			}
			m.state.setBlock(b, nil)
			m.setIntervals(readMultiKey(m.Reader.User, b), own, nil)
		}
	}
	return m.err
}
