package store

import (
	"github.com/bellhop/bellhop/internal/notify"
)

// markFeed marks a feed's notifications to one topic, within ranges.
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

// pruned returns next without the intervals of removed notifications. It does so only
// when next has grown by pruneInterval, since it takes a seek for each interval.
func (m *markOp) pruned(next intervalSet, had int, key func(notify.Sequence) []byte) (intervalSet, error) {
	if len(next)/pruneInterval <= had/pruneInterval {
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

// pruneFeeds looks at a few of the feeds that the user has marked, and deletes the
// intervals of those without notifications.
func (m *markOp) pruneFeeds() error {
	place := readFeedKey(m.Reader.User, "")
	from, err := get(m.batch, place)
	if err != nil {
		return err
	}
	var seen []string
	err = m.state.eachUnder("", string(from)+"\x00", func(feed string, _ intervalSet) (bool, error) {
		seen = append(seen, feed)
		return len(seen) < maxPrunedPerMark, nil
	})
	if err != nil {
		return err
	}
	for _, feed := range seen {
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
		m.refund(place, len(from))
		m.remove(place)
	}
	if len(seen) == maxPrunedPerMark { // otherwise the next call starts at the first feed
		last := []byte(seen[len(seen)-1])
		m.set(place, last)
		m.charge(place, len(last))
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
