package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// markMost is how many of a user's own notifications one Mark changes, and of
// those that others are told, too, so that a publish never waits for long behind
// one, and what it comes to can be told.
const markMost = 250

// mark changes the state of notifications and tells their reader which.
func (g *group) mark(seq notify.Sequence, e notify.Mark) (changed int, more bool, err error) {
	if e.Reader.User == "" {
		return 0, false, errors.New("a mark of no user")
	}
	m := &marking{group: g, Mark: e}
	for i, kind := range marksKinds() {
		if m.marks[i], err = readMarks(g.batch, kind, e.Reader.User); err != nil {
			return 0, false, err
		}
	}
	before := m.marks
	if e.IDs != nil {
		err = m.byID()
	} else {
		more, err = m.through()
	}
	if err != nil {
		return 0, more, err
	}
	for i, kind := range marksKinds() {
		if !m.stretched[i] {
			continue
		}
		if err := g.setMarks(kind, e.Reader.User, m.marks[i], len(before[i])); err != nil {
			return 0, more, err
		}
	}
	if len(m.changed) == 0 {
		return 0, more, nil
	}
	c := notify.InboxChange{Sequence: seq, To: ofUser(e.Reader.User).readers()}
	switch e.Verb {
	case notify.VerbRead:
		c.Read = m.changed
	case notify.VerbUnread:
		c.Unread = m.changed
	case notify.VerbArchive:
		c.Archived = m.changed
	default:
		return 0, false, fmt.Errorf("a mark that does %q", e.Verb)
	}
	g.told = append(g.told, c)
	return len(m.changed), more, g.keepChange(ofUser(e.Reader.User), &c, e.Keep)
}

// marking is a Mark while it is applied.
type marking struct {
	*group
	notify.Mark

	marks     [2]marks // of what is shared, by marksKinds
	stretched [2]bool  // they have changed
	changed   []string // IDs
}

// stretch marks what is shared, from one place to another.
func (m *marking) stretch(i int, from, to notify.Sequence) {
	m.marks[i], m.stretched[i] = m.marks[i].mark(from, to, m.Verb, m.at), true
}

// byID marks those that the reader has.
func (m *marking) byID() error {
	for _, id := range m.IDs {
		p, ok, err := placeOf(m.batch, id)
		if err != nil {
			return err
		}
		if !ok || p.deferred != nil {
			continue
		}
		n, err := m.forReader(p.sequence)
		if err != nil {
			return err
		}
		if n.Expired(m.at) {
			continue
		}
		if n.Audience == notify.AudienceUser {
			err = m.own(id, p.sequence)
		} else {
			err = m.one(&n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// own marks one of the reader's own, if it is.
func (m *marking) own(id string, seq notify.Sequence) error {
	key := ofUser(m.Reader.User).toldKey(seq)
	b, err := get(m.batch, key)
	if err != nil || b == nil {
		return err
	}
	return m.ownAt(id, key, b)
}

func (m *marking) ownAt(id string, key, value []byte) error {
	before, record, err := readTold(value)
	if err != nil {
		return err
	}
	t := before.after(m.Verb, m.at)
	if t == before {
		return nil
	}
	h, err := m.history(ofUser(m.Reader.User))
	if err != nil {
		return err
	}
	switch {
	case before.unread() && !t.unread():
		m.change(h)
		h.unread--
	case !before.unread() && t.unread():
		m.change(h)
		h.unread++
	}
	m.buffer = appendTold(m.buffer[:0], t, record)
	m.set(key, m.buffer)
	m.changed = append(m.changed, id)
	return nil
}

// one marks one that others are told, too, if the reader is.
func (m *marking) one(n *notify.Notification) error {
	held, err := m.hears(n)
	if err != nil || !held {
		return err
	}
	i := marksOfAll
	if n.Audience == notify.AudienceTopic {
		i = marksOfTopics
	}
	before := m.marks[i].at(n.Sequence)
	if before.after(m.Verb, m.at) == before {
		return nil
	}
	m.stretch(i, n.Sequence, n.Sequence)
	m.changed = append(m.changed, n.ID())
	return nil
}

// hears reports whether the reader finds n, which is not the reader's own.
func (m *marking) hears(n *notify.Notification) (bool, error) {
	if n.Audience == notify.AudienceAll {
		b, err := get(m.batch, everyone().toldKey(n.Sequence))
		return b != nil && !n.Time.Before(m.Reader.Since), err
	}
	for _, t := range n.Topics {
		if _, ok := notify.Heard(m.Reader.Topics, []notify.Topic{t}); !ok {
			continue
		}
		b, err := get(m.batch, ofTopic(t).toldKey(n.Sequence))
		if err != nil || b != nil {
			return b != nil, err
		}
	}
	return false, nil
}

// through marks all that the reader was told up to a place: first the reader's
// own, then the rest.
func (m *marking) through() (more bool, err error) {
	through := min(m.Through, m.state.last)
	if through == 0 {
		return false, nil
	}
	more, err = m.throughOwn(through)
	if err != nil || more {
		return more, err
	}
	return m.throughShared(through)
}

func (m *marking) throughOwn(through notify.Sequence) (more bool, err error) {
	o := ofUser(m.Reader.User)
	type one struct{ key, value []byte }
	var all []one // since what is iterated must not be changed
	err = each(m.batch, o.toldKey(0), o.toldKey(through+1), func(k, v []byte) (bool, error) {
		t, _, err := readTold(v)
		if err != nil || t.after(m.Verb, m.at) == t {
			return err == nil, err
		}
		if more = len(all) == markMost; more {
			return false, nil
		}
		all = append(all, one{append([]byte(nil), k...), append([]byte(nil), v...)})
		return true, nil
	})
	if err != nil {
		return false, err
	}
	for _, t := range all {
		n, err := m.ofOwn(t.key, t.value)
		if err != nil {
			return false, err
		}
		if err := m.ownAt(n.ID(), t.key, t.value); err != nil {
			return false, err
		}
	}
	return more, nil
}

// ofOwn returns what a history of a user has at key, be it there or elsewhere.
func (m *marking) ofOwn(key, value []byte) (notify.Notification, error) {
	_, record, err := readTold(value)
	switch {
	case err != nil:
		return notify.Notification{}, err
	case record == nil:
		return m.forReader(sequenceOf(key))
	}
	return readForReader(sequenceOf(key), record)
}

// throughShared marks the rest: all that is before the place, or before the first
// that is too much, and notes which of it will be found otherwise. Of topics it
// marks just what the reader hears: another token of the user may name others.
func (m *marking) throughShared(through notify.Sequence) (more bool, err error) {
	all, err := m.otherwise(through)
	if err != nil {
		return false, err
	}
	if more = len(all) > markMost; more {
		all = all[:markMost]
		through = all[markMost-1]
	}
	for _, seq := range all {
		n, err := m.forReader(seq)
		if err != nil {
			return false, err
		}
		if n.Audience == notify.AudienceAll && n.Time.Before(m.Reader.Since) {
			continue // it is hidden
		}
		if !n.Expired(m.at) { // else it counts until it is swept
			m.changed = append(m.changed, n.ID())
		}
		if n.Audience == notify.AudienceTopic {
			m.stretch(marksOfTopics, seq, seq)
		} else if !m.Reader.Since.IsZero() { // before that is another token's business, too
			m.stretch(marksOfAll, seq, seq)
		}
	}
	if m.Reader.Since.IsZero() {
		m.stretch(marksOfAll, 1, through)
	}
	return more, nil
}

// otherwise returns where what is shared up to a place will be found otherwise,
// in order. If it is more than markMost, the first of it are enough.
func (m *marking) otherwise(through notify.Sequence) (all []notify.Sequence, err error) {
	topics, err := m.heard(m.Reader.Topics)
	if err != nil {
		return nil, err
	}
	all, err = m.otherwiseIn(everyone(), marksOfAll, through, nil)
	for _, t := range topics {
		if err == nil {
			all, err = m.otherwiseIn(ofTopic(t), marksOfTopics, through, all)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), err
}

// otherwiseIn appends those of one history.
func (m *marking) otherwiseIn(o owner, i int, through notify.Sequence, all []notify.Sequence) ([]notify.Sequence, error) {
	from := m.marks[i].beginOf(m.Verb, m.at)
	left := markMost + 1
	err := each(m.batch, o.toldKey(from), o.toldKey(max(from, through+1)), func(k, _ []byte) (bool, error) {
		before := m.marks[i].at(sequenceOf(k))
		if before.after(m.Verb, m.at) != before {
			all = append(all, sequenceOf(k))
			left--
		}
		return left > 0, nil
	})
	return all, err
}

// heard is heard, with the topics whose histories are not in the batch yet.
func (g *group) heard(patterns []notify.TopicPattern) ([]notify.Topic, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	topics, err := heard(g.batch, patterns)
	if err != nil {
		return nil, err
	}
	for _, h := range g.changed {
		t := notify.Topic(h.owner.name)
		if h.owner.kind != kindToldTopic {
			continue
		}
		if _, ok := notify.Heard(patterns, []notify.Topic{t}); ok {
			topics = append(topics, t) // perhaps a second time
		}
	}
	return topics, nil
}

// recall takes a notification out of every history, and tells those who had
// it. One that was deferred nobody knows of. One that reaches anybody beyond the
// bound of the recall does not exist for whoever recalls.
func (g *group) recall(seq notify.Sequence, e notify.Recall) error {
	p, ok, err := placeOf(g.batch, e.ID)
	if err == nil && ok {
		ok, err = g.isWithin(e.Within, p)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return notify.Errorf(notify.ErrNotFound, "there is no notification with this id, any more or yet")
	case p.deferred != nil:
		b, err := get(g.batch, deferredKey(*p.deferred))
		if err != nil {
			return err
		}
		g.removeDeferred(*p.deferred, e.ID, b)
		g.remove(idKey(e.ID))
		return nil
	}
	n, bytes, err := g.notification(p.sequence)
	if err != nil {
		return err
	}
	holders, err := g.removeAll(&n, bytes, false)
	if err != nil {
		return err
	}
	g.recount = g.recount[:0] // tellGone sees to it
	c := notify.InboxChange{Sequence: seq, Recalled: []string{n.ID()}}
	g.tellGone(c, holders)
	for _, o := range holders {
		if err := g.keepChange(o, &c, e.Keep); err != nil {
			return err
		}
	}
	return nil
}
