package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// sharedItems merges the items of everyone and of feeds in reading order. A member may hear a thousand
// topics: so a step takes a time that grows with the logarithm of their number, and a list that reads
// fifty items opens few histories more than that.
type sharedItems struct {
	backward bool
	open     []*sharedIterator // a heap: the first one has the next item
	unopened []sharedHistory   // ascending by newest; read forward: none, since all are open

	failed error // of an iterator that is closed already, or could not be opened
}

// sharedHistory is a history that may have items in the timeline.
type sharedHistory struct {
	owner  owner
	feed   *heardFeed
	newest notify.Sequence // no item in the timeline is later
	kinds  [2]bool         // whether it has items of one topic, and of several
}

// sharedIterator iterates over the items of a feed or of everyone.
type sharedIterator struct {
	*pebble.Iterator
	at    notify.Sequence // of the current item
	feed  *heardFeed
	owner owner // the kind distinguishes the items of several topics from those of one
}

// less reports whether the item of an iterator is read before that of another one.
func (s *sharedItems) less(i, j int) bool { return (s.open[i].at > s.open[j].at) == s.backward }

// up moves the iterator at i to its place in the heap, if it is too far from the beginning.
func (s *sharedItems) up(i int) {
	for parent := (i - 1) / 2; i > 0 && s.less(i, parent); i, parent = parent, (parent-1)/2 {
		s.open[i], s.open[parent] = s.open[parent], s.open[i]
	}
}

// down moves the first iterator to its place in the heap.
func (s *sharedItems) down() {
	for i := 0; ; {
		first := 2*i + 1
		if first >= len(s.open) {
			return
		}
		if second := first + 1; second < len(s.open) && s.less(second, first) {
			first = second
		}
		if !s.less(first, i) {
			return
		}
		s.open[i], s.open[first] = s.open[first], s.open[i]
		i = first
	}
}

// openShared prepares the shared histories of the reader.
func (t *timeline) openShared() {
	t.shared.backward = t.backward
	for i, o := range t.owners[1:] {
		h, feed := &t.histories[1+i], &t.feeds[1+i]
		newest := feed.lastUpTo(min(h.newest, t.upTo))
		if newest > t.after && h.kept > 0 {
			t.shared.unopened = append(t.shared.unopened, sharedHistory{o, feed, newest, [2]bool{h.kept > h.multi, h.multi > 0}})
		}
	}
	if t.backward {
		slices.SortStableFunc(t.shared.unopened, func(a, b sharedHistory) int { return cmp.Compare(a.newest, b.newest) })
	}
	t.openDue()
}

// openDue opens the histories that may have the next item.
func (t *timeline) openDue() {
	s := &t.shared
	for last := len(s.unopened) - 1; last >= 0; last-- {
		h := &s.unopened[last]
		if s.backward && len(s.open) > 0 && s.open[0].at > h.newest {
			return
		}
		s.unopened = s.unopened[:last]
		if err := t.openHistory(h); err != nil {
			s.failed = errors.Join(s.failed, err)
		}
	}
}

func (t *timeline) openHistory(h *sharedHistory) error {
	if h.owner.isPattern() {
		if err := t.state.preload(h.owner.name, maxPreloaded); err != nil {
			return err
		}
	}
	for i, o := range []owner{h.owner, h.owner.multi()} {
		if !h.kinds[i] {
			continue
		}
		it, err := t.open(o, h.feed.begin(), h.newest)
		if err != nil {
			return err
		}
		t.shared.add(&sharedIterator{Iterator: it, feed: h.feed, owner: o})
	}
	return nil
}

// add adds an iterator, unless it has no items.
func (s *sharedItems) add(it *sharedIterator) {
	if !it.Valid() {
		s.end(it)
		return
	}
	it.at = sequenceOf(it.Key())
	s.open = append(s.open, it)
	s.up(len(s.open) - 1)
}

func (s *sharedItems) end(it *sharedIterator) { s.failed = errors.Join(s.failed, it.Close()) }

// stepShared moves the iterator with the next item on.
func (t *timeline) stepShared() {
	s := &t.shared
	it := s.open[0]
	if t.step(it.Iterator); it.Valid() {
		it.at = sequenceOf(it.Key())
	} else {
		last := len(s.open) - 1
		s.open[0], s.open = s.open[last], s.open[:last]
		s.end(it)
	}
	s.down()
}

// close closes all iterators, and returns the errors of all since the beginning.
func (s *sharedItems) close() error {
	for _, it := range s.open {
		s.end(it)
	}
	s.open, s.unopened = nil, nil
	return s.failed
}

// err returns the errors since the beginning.
func (s *sharedItems) err() error {
	err := s.failed
	for _, it := range s.open {
		err = errors.Join(err, it.Error())
	}
	return err
}

// seeksHistories is the number of feeds from which on readFeedHistories seeks.
const seeksHistories = 8

// readFeedHistories returns the histories of feeds, which ascend. One iterator that seeks forward
// takes a fraction of the time of as many Gets.
func readFeedHistories(r pebble.Reader, feeds []heardFeed) (all []history, err error) {
	all = make([]history, len(feeds))
	if len(feeds) < seeksHistories {
		for i := range feeds {
			if all[i], err = readHistoryOf(r, ofFeed(feeds[i].name)); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{kindHistoryTopic}, UpperBound: endOfKind(kindHistoryTopic)})
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	defer it.Close()
	var key []byte
	for i := range feeds {
		key = ofFeed(feeds[i].name).appendHistoryKey(key[:0])
		if !it.SeekGE(key) || !bytes.Equal(it.Key(), key) {
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("read the store: %w", err)
		}
		if all[i], err = readHistory(v); err != nil {
			return nil, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return all, nil
}
