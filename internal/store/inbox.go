package store

import (
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// List is a page of an inbox, newest first.
type List struct {
	Notifications []notify.Notification // each as the reader finds it
	More          bool                  // there are more behind the last
}

// List returns what r was told and has in a state: at most limit, newest first,
// before a sequence (0: from the end) and up to another, by which the caller
// bounds it as in History. What has expired by now is left out.
func (s *Store) List(r notify.Reader, before, upTo notify.Sequence, state notify.InboxState, limit int, now time.Time) (List, error) {
	if before > 0 {
		upTo = min(upTo, before-1)
	}
	t, err := s.timeline(r, 0, upTo)
	if err != nil {
		return List{}, err
	}
	defer t.close()
	t.backward = true
	if err := t.begin(); err != nil {
		return List{}, err
	}
	var list List
	for {
		seq, ok := t.next()
		if !ok {
			return list, t.err()
		}
		n, ok, err := t.take(seq)
		if err != nil {
			return list, fmt.Errorf("notification %d: %w", seq, err)
		}
		if !ok || n.Expired(now) || !state.Has(&n.View) {
			continue
		}
		if list.More = len(list.Notifications) == limit; list.More {
			return list, nil
		}
		list.Notifications = append(list.Notifications, n)
	}
}

// Unread returns how many of those that r was told up to a sequence are neither
// read nor archived. What is past its time counts until it is swept.
func (s *Store) Unread(r notify.Reader, upTo notify.Sequence) (int, error) {
	t, err := s.timeline(r, 0, upTo)
	if err != nil {
		return 0, err
	}
	defer t.close()
	count := int(t.histories[0].unread)
	later, err := t.ownUnreadAfter(upTo)
	if err != nil {
		return 0, err
	}
	count -= later
	if t.marks, err = readMarks(t.snap, r.User); err != nil {
		return 0, err
	}
	for _, list := range t.distinct() {
		count += t.marks.unreadOf(list)
	}
	return count, nil
}

// ownUnreadAfter counts what the user has unread behind seq, of which there is
// something only for a moment.
func (t *timeline) ownUnreadAfter(seq notify.Sequence) (count int, err error) {
	b, err := get(t.snap, []byte{kindState})
	if err != nil || b == nil {
		return 0, err
	}
	st, err := readState(b)
	if err != nil || st.last <= seq {
		return 0, err
	}
	o := ofUser(t.reader.User)
	err = each(t.snap, o.toldKey(seq+1), o.toldKey(^notify.Sequence(0)), func(_, v []byte) (bool, error) {
		had, err := readTold(v)
		if had.unread() {
			count++
		}
		return true, err
	})
	return count, err
}

// distinct returns the shared lists such that none has what another has: one
// may have been told to several topics.
func (t *timeline) distinct() [][]item {
	if len(t.shared) <= 2 { // everyone, and one topic
		return t.shared
	}
	topics := merged(t.shared[1:])
	return [][]item{t.shared[0], topics}
}

// merged returns what the lists have, each once.
func merged(lists [][]item) (all []item) {
	if len(lists) == 1 {
		return lists[0]
	}
	half := len(lists) / 2
	a, b := merged(lists[:half]), merged(lists[half:])
	all = make([]item, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].sequence < b[0].sequence:
			all, a = append(all, a[0]), a[1:]
		case a[0].sequence > b[0].sequence:
			all, b = append(all, b[0]), b[1:]
		default:
			b = b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// unreadOf returns how many of list are not marked.
func (m marks) unreadOf(list []item) (count int) {
	for _, i := range list {
		for len(m) > 0 && m[0].to < i.sequence {
			m = m[1:]
		}
		if len(m) == 0 || m[0].from > i.sequence {
			count++
		}
	}
	return count
}
