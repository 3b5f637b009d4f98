package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// timeline merges the histories that one reader reads, in one snapshot.
type timeline struct {
	reader   notify.Reader
	after    notify.Sequence // exclusive
	upTo     notify.Sequence // inclusive
	backward bool            // newest first

	snapshot  *snapshot
	owners    []owner     // the user, everyone, and the feeds of the reader
	feeds     []heardFeed // of the owners; unset: of the user and of everyone
	histories []history   // of the owners
	heard     heard
	muting    *notify.Muting
	state     *userState

	// Iterators at the next items of the user and of the other owners, and the next
	// changes.
	own     *pebble.Iterator
	shared  sharedItems
	changes []notify.InboxChange

	// Iterates over records that are not part of an item; nil until one is needed.
	// Seeking forward takes half of the time of a Get.
	records  *pebble.Iterator
	key      [1 + 8]byte // buffer for seeking in records
	contents []byte      // contents of the notifications read so far, in one allocation
}

// timeline returns the timeline of r after one sequence and up to another one. The caller
// must close it.
func (s *Store) timeline(r notify.Reader, after, upTo notify.Sequence) (*timeline, error) {
	t := &timeline{reader: r, after: after, upTo: upTo, snapshot: s.snapshots.acquire()}
	t.state = newUserState(t.snapshot, r.User)
	if err := t.readHistories(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *timeline) readHistories() error {
	own, err := readHistoryOf(t.snapshot, ofUser(t.reader.User))
	if err != nil {
		return err
	}
	if t.muting, err = mutingOf(t.snapshot, t.reader.User, &own); err != nil {
		return err
	}
	if t.heard, err = readHeard(t.snapshot, t.reader, &own); err != nil {
		return err
	}
	named, err := feedsRead(t.snapshot, t.reader.Topics)
	if err != nil {
		return err
	}
	t.feeds = append(make([]heardFeed, 2, 2+len(named)), t.heard.feeds(named)...)
	t.owners = append(make([]owner, 0, len(t.feeds)), ofUser(t.reader.User), everyone())
	for i := range t.feeds[2:] {
		t.owners = append(t.owners, ofFeed(t.feeds[2+i].name))
	}
	t.histories = append(make([]history, 0, len(t.owners)), own)
	all, err := readHistoryOf(t.snapshot, everyone())
	if err != nil {
		return err
	}
	t.histories = append(t.histories, all)
	shared, err := readFeedHistories(t.snapshot, t.feeds[2:])
	t.histories = append(t.histories, shared...)
	return err
}

// removed returns the highest sequence that retention has removed from the histories.
func (t *timeline) removed() (highest notify.Sequence) {
	highest = t.snapshot.truncated
	for i, h := range t.histories {
		if t.owners[i] == everyone() && h.removedTime.Before(t.reader.Since) {
			h.removed = 0
		}
		highest = max(highest, t.feeds[i].lastUpTo(h.truncated()))
	}
	return highest
}

// readChanges reads the first changes of each owner, at most limit of each.
func (t *timeline) readChanges(limit int) error {
	for i, h := range t.histories {
		if h.changes == 0 {
			continue
		}
		left := limit
		o := t.owners[i]
		err := each(t.snapshot, o.changeKey(max(t.after+1, t.feeds[i].begin())), o.changeKey(t.upTo+1), func(k, v []byte) (bool, error) {
			c, err := readChange(sequenceOf(k), v)
			t.changes = append(t.changes, c)
			left--
			return left > 0, err
		})
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(t.changes, func(a, b notify.InboxChange) int { return cmp.Compare(a.Sequence, b.Sequence) })
	t.changes = mergedChanges(t.changes)
	return nil
}

// openIterators opens the iterators from which next and notificationAt read.
func (t *timeline) openIterators() (err error) {
	if t.own, err = t.open(ofUser(t.reader.User), 0, t.upTo); err != nil {
		return err
	}
	t.openShared()
	return t.shared.err()
}

// open returns an iterator over the items of o between two sequences, at the first one in reading
// order.
func (t *timeline) open(o owner, from, to notify.Sequence) (*pebble.Iterator, error) {
	it, err := t.iterate(o.itemKey(max(t.after+1, min(from, to+1))), o.itemKey(to+1))
	if err != nil {
		return nil, err
	}
	if t.backward {
		it.Last()
	} else {
		it.First()
	}
	return it, nil
}

func (t *timeline) step(it *pebble.Iterator) {
	if t.backward {
		it.Prev()
	} else {
		it.Next()
	}
}

func (t *timeline) iterate(lower, upper []byte) (*pebble.Iterator, error) {
	it, err := t.snapshot.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return it, nil
}

// next returns the next sequence in reading order.
func (t *timeline) next() (seq notify.Sequence, ok bool) {
	consider := func(s notify.Sequence) {
		if !ok || (s > seq) == t.backward {
			seq, ok = s, true
		}
	}
	if t.own.Valid() {
		consider(sequenceOf(t.own.Key()))
	}
	if t.openDue(); len(t.shared.open) > 0 {
		consider(t.shared.open[0].at)
	}
	if len(t.changes) > 0 {
		consider(t.changes[0].Sequence)
	}
	return seq, ok
}

// changeAt returns the change at seq, which next has returned, and moves on. ok is false
// if no change is at seq.
func (t *timeline) changeAt(seq notify.Sequence) (c notify.InboxChange, ok bool) {
	if len(t.changes) == 0 || t.changes[0].Sequence != seq {
		return c, false
	}
	c, t.changes = t.changes[0], t.changes[1:]
	return c, true
}

// notificationAt returns the notification at seq, which next has returned, and moves on.
// ok is false if it does not exist in the snapshot, is hidden from the reader, also by preferences, or
// does not match f.
func (t *timeline) notificationAt(seq notify.Sequence, f *notify.Filter) (n notify.Notification, ok bool, err error) {
	if t.own.Valid() && sequenceOf(t.own.Key()) == seq {
		n, ok, err = t.userItemAt(seq, f)
	} else {
		n, ok, err = t.sharedItemAt(seq, f)
	}
	n.Topic, _ = t.heard.topicOf(n.Topics, seq)
	return n, ok, err
}

// hears reports whether the reader receives what is published to a topic at a sequence.
func (t *timeline) hears(topic notify.Topic, seq notify.Sequence) bool {
	_, ok := t.heard.topicOf([]notify.Topic{topic}, seq)
	return ok
}

func (t *timeline) userItemAt(seq notify.Sequence, f *notify.Filter) (n notify.Notification, ok bool, err error) {
	value, err := t.own.ValueAndErr()
	if err != nil {
		return n, false, fmt.Errorf("read the store: %w", err)
	}
	had, record, err := readUserItem(value)
	view := had.view()
	switch {
	case err != nil:
	case !f.State.Has(&view):
	case record == nil:
		n, ok, err = t.read(seq, &view, f)
	default:
		n, ok, err = t.decode(seq, record, &view, f)
	}
	t.step(t.own)
	return n, ok, err
}

func (t *timeline) err() error {
	err := errors.Join(t.own.Error(), t.shared.err())
	if t.records != nil {
		err = errors.Join(err, t.records.Error())
	}
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	return nil
}

func (t *timeline) close() {
	for _, it := range []*pebble.Iterator{t.own, t.records} {
		if it != nil {
			it.Close()
		}
	}
	_ = t.shared.close() // t.err has reported it
	t.snapshot.release()
}

// sharedItemAt returns the shared notification at seq, and moves on.
func (t *timeline) sharedItemAt(seq notify.Sequence, f *notify.Filter) (n notify.Notification, ok bool, err error) {
	view, several, err := t.sharedViewAt(seq)
	if err != nil || view == nil || !f.State.Has(view) {
		return n, false, err
	}
	n, ok, err = t.read(seq, view, f)
	if several && ok && n.CollapseKey != "" {
		n.Replaces, err = t.replacedBy(&n)
	}
	return n, ok && err == nil, err
}

// sharedViewAt returns the reader's view of the shared notification at seq, without the
// topic, and moves on. It is nil if the notification is hidden from the reader. several
// says that it was published to several topics: the ID that it replaces depends on the
// topics that the reader receives.
func (t *timeline) sharedViewAt(seq notify.Sequence) (v *notify.View, several bool, err error) {
	for len(t.shared.open) > 0 && t.shared.open[0].at == seq {
		if it := t.shared.open[0]; v == nil {
			several = it.owner.kind == kindMultiItem
			if v, err = t.sharedView(it, seq); err != nil {
				return nil, several, err
			}
		}
		t.stepShared()
	}
	return v, several, nil
}

// sharedView returns the reader's view of the notification at which the iterator stands;
// nil if it is hidden from the reader.
func (t *timeline) sharedView(it *sharedIterator, seq notify.Sequence) (*notify.View, error) {
	if !it.feed.has(seq) {
		return nil, nil //nolint:nilnil // hidden from the reader
	}
	b, err := it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	e, err := readSharedItem(b)
	if err != nil {
		return nil, err
	}
	var had itemState
	switch {
	case it.owner.kind == kindMultiItem:
		had, err = t.state.multiState(seq)
	case it.owner.kind == kindFeedItem:
		topic := it.owner.name
		if it.owner.isPattern() {
			topic = string(e.topic)
		}
		had, err = t.state.singleState(topic, seq)
	case fromMillis(e.time).Before(t.reader.Since):
		return nil, nil //nolint:nilnil // hidden from the reader
	default:
		m, failed := t.state.everyoneIntervals()
		i, _ := m.find(seq)
		had, err = i.itemState, failed
	}
	if err != nil || had.hidden {
		return nil, err
	}
	v := had.view()
	v.Replaces = string(e.replaces)
	return &v, nil
}

// replacedBy returns the ID that n, which was published to several topics, has replaced
// in the first topic that the reader receives.
func (t *timeline) replacedBy(n *notify.Notification) (string, error) {
	for _, topic := range slices.Sorted(slices.Values(n.Topics)) {
		if !t.hears(topic, n.Sequence) {
			continue
		}
		b, err := get(t.snapshot, ofTopic(topic).keyOf(n))
		if err != nil {
			return "", err
		}
		if b == nil {
			continue
		}
		if e, err := readSharedItem(b); err != nil || len(e.replaces) > 0 {
			return string(e.replaces), err
		}
	}
	return "", nil
}
