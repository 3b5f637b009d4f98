package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// timeline merges what one reader was told for itself and with others, at one
// moment.
type timeline struct {
	reader   notify.Reader
	after    notify.Sequence // what it is made for
	upTo     notify.Sequence // inclusive
	backward bool            // the newest come first

	view      *view
	owners    []owner   // the user, everyone and the topics that the reader hears
	histories []history // of the owners
	marks     [2]*marks // of what is shared, by marksKinds; nil: not read yet

	// What was not taken yet: of the user, of the other owners, and changes of
	// state.
	own     *pebble.Iterator
	shared  [][]item
	changes []notify.InboxChange

	// Of all notifications, for those whose record is not in the history: seeking
	// forward costs half of what getting does. It is nil until there is one.
	records  *pebble.Iterator
	key      [1 + 8]byte // of the one that is sought
	contents []byte      // of those that were read, in one piece
}

// timeline returns what r was told after one sequence and up to another.
func (s *Store) timeline(r notify.Reader, after, upTo notify.Sequence) (*timeline, error) {
	owners, lists, err := s.sharedWith(r, after, upTo)
	if err != nil {
		return nil, err
	}
	// The lists first: what goes between them and the view is found to be gone, and
	// what the view lacks would be no hole to it.
	t := &timeline{reader: r, after: after, upTo: upTo, owners: owners, shared: lists, view: s.views.take()}
	t.histories = make([]history, 0, len(t.owners))
	for _, o := range t.owners {
		h, err := readHistoryOf(t.view, o)
		if err != nil {
			t.close()
			return nil, err
		}
		t.histories = append(t.histories, h)
	}
	return t, nil
}

// sharedWith returns what r has of what everyone and the topics that r hears
// were told after one sequence and up to another. The first of the owners is the
// user, of whom there is no list.
func (s *Store) sharedWith(r notify.Reader, after, upTo notify.Sequence) (owners []owner, lists [][]item, err error) {
	owners = append(make([]owner, 0, 2), ofUser(r.User), everyone())
	topics, err := heard(s.db, r.Topics)
	if err != nil {
		return nil, nil, err
	}
	for _, topic := range topics {
		owners = append(owners, ofTopic(topic))
	}
	for _, o := range owners[1:] {
		list, err := s.shared.list(s.db, &s.views, o)
		if err != nil {
			return nil, nil, err
		}
		list = between(list, after, upTo)
		if o == everyone() && !r.Since.IsZero() {
			list = slices.DeleteFunc(slices.Clone(list), func(i item) bool { return fromMillis(i.time).Before(r.Since) })
		}
		lists = append(lists, list)
	}
	return owners, lists, nil
}

// removed returns the highest sequence that retention took from the reader.
func (t *timeline) removed() (highest notify.Sequence) {
	highest = t.view.folded
	for i, h := range t.histories {
		if t.owners[i] == everyone() && h.removedTime.Before(t.reader.Since) {
			h.removed = 0
		}
		highest = max(highest, h.hole())
	}
	return highest
}

// readChanges reads the first changes of state, at most so many of an owner.
func (t *timeline) readChanges(most int) error {
	for i, h := range t.histories {
		if h.changes == 0 {
			continue
		}
		left := most
		o := t.owners[i]
		err := each(t.view, o.changeKey(t.after+1), o.changeKey(t.upTo+1), func(k, v []byte) (bool, error) {
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
	t.changes = joined(t.changes)
	return nil
}

// joined returns changes with those at one place as one: recalls and what was
// replaced, which several owners were told.
func joined(changes []notify.InboxChange) []notify.InboxChange {
	all := changes[:0]
	for _, c := range changes {
		last := len(all) - 1
		if last < 0 || all[last].Sequence != c.Sequence {
			all = append(all, c)
			continue
		}
		for _, id := range c.Recalled {
			if !slices.Contains(all[last].Recalled, id) {
				all[last].Recalled = append(all[last].Recalled, id)
			}
		}
	}
	return all
}

// begin opens what next and take read from.
func (t *timeline) begin() (err error) {
	o := ofUser(t.reader.User)
	if t.own, err = t.iterate(o.toldKey(t.after+1), o.toldKey(t.upTo+1)); err != nil {
		return err
	}
	if t.backward {
		t.own.Last()
	} else {
		t.own.First()
	}
	return nil
}

func (t *timeline) iterate(lower, upper []byte) (*pebble.Iterator, error) {
	it, err := t.view.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	return it, nil
}

// next returns the sequence of the next that was not taken yet.
func (t *timeline) next() (seq notify.Sequence, ok bool) {
	consider := func(s notify.Sequence) {
		if !ok || (s > seq) == t.backward {
			seq, ok = s, true
		}
	}
	if t.own.Valid() {
		consider(sequenceOf(t.own.Key()))
	}
	for _, list := range t.shared {
		if len(list) > 0 {
			consider(t.head(list).sequence)
		}
	}
	if len(t.changes) > 0 {
		consider(t.changes[0].Sequence)
	}
	return seq, ok
}

func (t *timeline) head(list []item) item {
	if t.backward {
		return list[len(list)-1]
	}
	return list[0]
}

// takeChange takes the change at seq, which next has returned, if it is one.
func (t *timeline) takeChange(seq notify.Sequence) (c notify.InboxChange, ok bool) {
	if len(t.changes) == 0 || t.changes[0].Sequence != seq {
		return c, false
	}
	c, t.changes = t.changes[0], t.changes[1:]
	return c, true
}

// take takes the notification at seq, which next has returned. It reports false
// if that is gone at this moment, or has another state.
func (t *timeline) take(seq notify.Sequence, state notify.InboxState) (n notify.Notification, ok bool, err error) {
	if t.own.Valid() && sequenceOf(t.own.Key()) == seq {
		n, ok, err = t.takeOwn(seq, state)
	} else {
		n, ok, err = t.takeShared(seq, state)
	}
	n.Topic, _ = notify.Heard(t.reader.Topics, n.Topics)
	return n, ok, err
}

func (t *timeline) takeOwn(seq notify.Sequence, state notify.InboxState) (n notify.Notification, ok bool, err error) {
	value, err := t.own.ValueAndErr()
	if err != nil {
		return n, false, fmt.Errorf("read the store: %w", err)
	}
	had, record, err := readTold(value)
	view := had.view()
	switch {
	case err != nil:
	case !state.Has(&view):
	case record == nil:
		n, ok, err = t.read(seq)
	default:
		n, err = t.decode(seq, record)
		ok = err == nil
	}
	n.View = view
	if t.backward {
		t.own.Prev()
	} else {
		t.own.Next()
	}
	return n, ok, err
}

func (t *timeline) takeShared(seq notify.Sequence, state notify.InboxState) (n notify.Notification, ok bool, err error) {
	view, err := t.takeView(seq)
	if err != nil || !state.Has(&view) {
		return n, false, err
	}
	n, ok, err = t.read(seq)
	n.View = view
	return n, ok, err
}

// takeView returns how the reader finds what others were told at seq, too, but
// for the topic, and moves on.
func (t *timeline) takeView(seq notify.Sequence) (v notify.View, err error) {
	for i, list := range t.shared {
		if len(list) == 0 || t.head(list).sequence != seq {
			continue
		}
		replaces := v.Replaces
		if v, err = t.sharedView(i, t.head(list)); err != nil {
			return v, err
		}
		v.Replaces = cmp.Or(replaces, v.Replaces)
		if t.backward {
			t.shared[i] = list[:len(list)-1]
		} else {
			t.shared[i] = list[1:]
		}
	}
	return v, nil
}

// sharedView returns how the reader finds what is in the shared list at i.
func (t *timeline) sharedView(i int, is item) (v notify.View, err error) {
	which := marksOfAll
	if i > 0 {
		which = marksOfTopics
	}
	if t.marks[which] == nil {
		m, err := readMarks(t.view, marksKinds()[which], t.reader.User)
		if err != nil {
			return v, err
		}
		t.marks[which] = &m
	}
	v = t.marks[which].at(is.sequence).view()
	v.Replaces = is.replaces
	return v, nil
}

// read returns what was told at seq and has its record there.
func (t *timeline) read(seq notify.Sequence) (n notify.Notification, ok bool, err error) {
	if t.records == nil {
		t.records, err = t.iterate(sequenceKey(kindNotification, t.after+1), sequenceKey(kindNotification, t.upTo+1))
		if err != nil {
			return n, false, err
		}
	}
	t.key[0] = kindNotification
	binary.BigEndian.PutUint64(t.key[1:], uint64(seq))
	if !t.records.SeekGE(t.key[:]) || sequenceOf(t.records.Key()) != seq {
		return n, false, t.records.Error()
	}
	v, err := t.records.ValueAndErr()
	if err != nil {
		return n, false, fmt.Errorf("read the store: %w", err)
	}
	n, err = t.decode(seq, v)
	return n, err == nil, err
}

// likely is for how many there is room at first.
const likely = 8

// decode returns what a record says, whose content lives as long as what is read
// later.
func (t *timeline) decode(seq notify.Sequence, record []byte) (notify.Notification, error) {
	n, err := readForReader(seq, record)
	if t.contents == nil {
		t.contents = make([]byte, 0, min(likely*len(n.Content), pageBytes))
	}
	at := len(t.contents)
	t.contents = append(t.contents, n.Content...)
	n.Content = t.contents[at:len(t.contents):len(t.contents)]
	return n, err
}

func (t *timeline) err() error {
	err := t.own.Error()
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
	t.view.leave()
}
