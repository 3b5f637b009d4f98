package store

import (
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// A Mark up to a sequence takes several entries if it changes many notifications. Its work is
// divided into tasks. Each entry returns a position, which is a task and a sequence, and the next
// entry continues there. Tasks run in the order of their names, so that a task that appears or
// disappears between two entries does not make others run twice or not at all.
const (
	taskOwn      = "a"
	taskEveryone = "b"
	taskFeeds    = "c" // followed by a feed and one of the parts below
	ofFeedItself = "\x001"
	ofNarrower   = "\x002" // followed by the narrower feed
	ofMulti      = "\x003"
)

// task marks the notifications of one kind after a sequence, and returns the sequence up
// to which all are marked. done says that the task is finished.
type task struct {
	name string
	mark func(after notify.Sequence) (reached notify.Sequence, done bool, err error)
}

// markUpTo marks all notifications of the reader up to a sequence, or returns the
// position at which to continue.
func (m *markOp) markUpTo() (next notify.MarkPosition, err error) {
	if m.Through = min(m.Through, m.txn.state.last); m.Through == 0 {
		return next, nil
	}
	for _, t := range []task{{taskOwn, m.userUpTo}, {taskEveryone, m.everyoneUpTo}} {
		if next, err = m.run(t); err != nil || next != (notify.MarkPosition{}) {
			return next, err
		}
	}
	named, err := m.feedsRead(m.Reader.Topics)
	if err != nil {
		return next, err
	}
	h, err := m.history(ofUser(m.Reader.User))
	if err != nil {
		return next, err
	}
	heard, err := readHeard(m.batch, m.Reader, &h.history)
	if err != nil {
		return next, err
	}
	feeds := heard.feeds(named)
	for i := range feeds {
		if next, err = m.feedUpTo(&feeds[i]); err != nil || next != (notify.MarkPosition{}) {
			return next, err
		}
	}
	return next, nil
}

// run runs a task, unless an earlier entry has finished it, and returns the position at
// which to continue it.
func (m *markOp) run(t task) (next notify.MarkPosition, err error) {
	after := notify.Sequence(0)
	switch {
	case t.name < m.From.Task:
		return next, nil
	case t.name == m.From.Task:
		after = m.From.After
	}
	if m.changesLeft <= 0 || m.readsLeft <= 0 {
		return notify.MarkPosition{Task: t.name, After: after}, nil
	}
	m.readsLeft--
	reached, done, err := t.mark(after)
	if err != nil || done {
		return next, err
	}
	return notify.MarkPosition{Task: t.name, After: reached}, nil
}

// feedUpTo marks the notifications of a feed: first, in one interval, those for which no
// narrower feed has an interval; then those in the intervals of narrower feeds; then
// those to several topics.
func (m *markOp) feedUpTo(f *heardFeed) (next notify.MarkPosition, err error) {
	feed, name := f.name, taskFeeds+f.name
	next, err = m.run(task{name + ofFeedItself, func(after notify.Sequence) (notify.Sequence, bool, error) {
		return m.intervalsUpTo(f, after, false)
	}})
	if err != nil || next != (notify.MarkPosition{}) {
		return next, err
	}
	if isPattern(feed) {
		if next, err = m.narrowerUpTo(feed, name+ofNarrower); err != nil || next != (notify.MarkPosition{}) {
			return next, err
		}
	}
	return m.run(task{name + ofMulti, func(after notify.Sequence) (notify.Sequence, bool, error) {
		return m.multiUpTo(f, after)
	}})
}

// narrowerUpTo marks notifications within the intervals that feeds under a pattern have.
func (m *markOp) narrowerUpTo(pattern, name string) (next notify.MarkPosition, err error) {
	from, _ := strings.CutPrefix(m.From.Task, name)
	if !strings.HasPrefix(m.From.Task, name) {
		from = ""
	}
	var feeds []string // collected before any is marked: the records must not change during the iteration
	err = m.state.eachUnder(strings.TrimSuffix(pattern, "*"), from, func(feed string, _ intervalSet) (bool, error) {
		if feed != pattern {
			feeds = append(feeds, feed)
		}
		return len(feeds) <= m.readsLeft, nil
	})
	for _, feed := range feeds {
		if err != nil || next != (notify.MarkPosition{}) {
			break
		}
		next, err = m.run(task{name + feed, func(after notify.Sequence) (notify.Sequence, bool, error) {
			return m.intervalsUpTo(&heardFeed{name: feed}, after, true)
		}})
	}
	return next, err
}

func (m *markOp) userUpTo(after notify.Sequence) (reached notify.Sequence, done bool, err error) {
	o := ofUser(m.Reader.User)
	type one struct{ key, value []byte }
	var all []one // collected before any is marked: the items must not change during the iteration
	done, reached = true, after
	if after >= m.Through {
		return after, true, nil
	}
	err = each(m.batch, o.itemKey(after+1), o.itemKey(m.Through+1), func(k, v []byte) (bool, error) {
		if done = m.changesLeft > 0 && m.readsLeft > 0; !done {
			return false, nil
		}
		reached = sequenceOf(k)
		m.readsLeft--
		t, _, err := readUserItem(v)
		if err != nil || t.applied(m.Verb, m.at) == t.itemState {
			return err == nil, err
		}
		if hidden, err := m.hidesAt(reached); err != nil || hidden {
			return err == nil, err
		}
		m.changesLeft--
		all = append(all, one{append([]byte(nil), k...), append([]byte(nil), v...)})
		return true, nil
	})
	if err != nil {
		return reached, false, err
	}
	for _, t := range all {
		n, err := m.userNotification(t.key, t.value)
		if err != nil {
			return reached, false, err
		}
		if err := m.setUserItem(n.ID(), t.key, t.value); err != nil {
			return reached, false, err
		}
	}
	return reached, done, nil
}

// userNotification returns the notification of a user's item.
func (m *markOp) userNotification(key, value []byte) (notify.Notification, error) {
	_, record, err := readUserItem(value)
	switch {
	case err != nil:
		return notify.Notification{}, err
	case record == nil:
		return m.readerNotification(sequenceOf(key))
	}
	return readForReader(sequenceOf(key), record)
}

// scan calls f with the items of o within ranges, in ascending order, until no more may
// be read or changed. f reports whether the item changes. scan returns the sequence up to
// which it has read.
func (m *markOp) scan(o owner, after notify.Sequence, ranges intervalSet, f func(seq notify.Sequence, e *sharedItem) (changes bool, err error)) (reached notify.Sequence, done bool, err error) {
	reached, done = after, true
	for _, i := range ranges {
		err = each(m.batch, o.itemKey(i.from), o.itemKey(i.to+1), func(k, v []byte) (bool, error) {
			if done = m.changesLeft > 0 && m.readsLeft > 0; !done {
				return false, nil
			}
			reached = sequenceOf(k)
			m.readsLeft--
			e, err := readSharedItem(v)
			if err != nil {
				return false, err
			}
			changes, err := f(reached, &e)
			if err != nil || !changes {
				return err == nil, err
			}
			m.changesLeft--
			if e.expires == 0 || fromMillis(e.expires).After(m.at) { // an expired one counts as unread until a Cleanup removes it, and is not emitted
				m.changed = append(m.changed, longID(string(e.id)))
			}
			return true, nil
		})
		if err != nil || !done {
			return reached, false, err
		}
	}
	return m.Through, true, nil
}

// intervalsUpTo marks a feed's notifications to one topic in one interval. If onlyExisting is set,
// it marks only those within existing intervals of the feed.
func (m *markOp) intervalsUpTo(f *heardFeed, after notify.Sequence, onlyExisting bool) (reached notify.Sequence, done bool, err error) {
	feed := f.name
	own, err := m.state.ownIntervals(feed)
	if err != nil {
		return 0, false, err
	}
	all := own
	if !onlyExisting {
		wider, err := m.state.widerIntervals(feed)
		if err != nil {
			return 0, false, err
		}
		all = own.withFallback(wider)
	}
	ranges := f.overlap(all.changedBy(after, m.Through, m.Verb, m.at, onlyExisting))
	if len(ranges) == 0 {
		return m.Through, true, nil
	}
	var hidden []notify.Sequence
	reached, done, err = m.scan(ofFeed(feed), after, ranges, func(seq notify.Sequence, e *sharedItem) (bool, error) {
		if isPattern(feed) {
			if narrower, err := m.state.hasNarrower(string(e.topic), feed, seq); err != nil || narrower {
				return false, err
			}
		}
		hides, err := m.hidesAt(seq)
		if hides {
			hidden = append(hidden, seq)
		}
		return !hides, err
	})
	if err != nil || reached == after {
		return reached, done, err
	}
	return reached, done, m.markFeed(feed, f.overlap(without(after+1, reached, hidden)), onlyExisting)
}

// without returns the sequences of a range but for some, which ascend, as intervals.
func without(from, to notify.Sequence, some []notify.Sequence) (rest intervalSet) {
	for _, seq := range some {
		if from < seq {
			rest = append(rest, interval{from: from, to: seq - 1})
		}
		from = seq + 1
	}
	if from <= to {
		rest = append(rest, interval{from: from, to: to})
	}
	return rest
}

// everyoneUpTo marks the notifications to everyone that are not hidden from the reader.
func (m *markOp) everyoneUpTo(after notify.Sequence) (reached notify.Sequence, done bool, err error) {
	all, err := m.state.everyoneIntervals()
	if err != nil {
		return 0, false, err
	}
	var visible intervalSet
	joins := false
	reached, done, err = m.scan(everyone(), after, all.changedBy(after, m.Through, m.Verb, m.at, false), func(seq notify.Sequence, e *sharedItem) (bool, error) {
		hidden, err := fromMillis(e.time).Before(m.Reader.Since), error(nil)
		if !hidden {
			hidden, err = m.hidesAt(seq)
		}
		if hidden || err != nil {
			joins = false
			return false, err
		}
		if last := len(visible) - 1; joins {
			visible[last].to = seq
		} else {
			visible = append(visible, interval{from: seq, to: seq})
		}
		joins = true
		return true, nil
	})
	if err != nil || reached == after {
		return reached, done, err
	}
	if m.Reader.Since.IsZero() && m.muting == nil {
		visible = intervalSet{{from: after + 1, to: reached}}
	}
	return reached, done, m.markEveryone(visible)
}

// multiUpTo marks notifications to several topics one by one.
func (m *markOp) multiUpTo(f *heardFeed, after notify.Sequence) (reached notify.Sequence, done bool, err error) {
	if after >= m.Through {
		return after, true, nil
	}
	blocks := map[uint64]intervalSet{}
	var numbers []uint64 // in ascending order
	reached, done, err = m.scan(ofFeed(f.name).multi(), after, f.overlap(intervalSet{{from: after + 1, to: m.Through}}), func(seq notify.Sequence, _ *sharedItem) (bool, error) {
		before, err := m.state.multiState(seq)
		if err != nil || before.applied(m.Verb, m.at) == before {
			return false, err
		}
		if hidden, err := m.hidesAt(seq); err != nil || hidden {
			return false, err
		}
		b := blockOf(seq)
		if len(blocks[b]) == 0 {
			numbers = append(numbers, b)
		}
		blocks[b] = blocks[b].join(interval{from: seq, to: seq})
		return true, nil
	})
	for _, b := range numbers {
		if err == nil {
			err = m.markBlock(b, blocks[b])
		}
	}
	return reached, done, err
}
