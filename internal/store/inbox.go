package store

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// List is a page of an inbox, newest first.
type List struct {
	Notifications []notify.Notification // each as the reader finds it
	More          bool                  // there are more behind the last
}

// listBytes is how much content a page of an inbox holds, give or take a
// notification: hundreds may be reading at once, and a hundred large ones are
// megabytes.
const listBytes = 256 << 10

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
	bytes := 0
	for {
		seq, ok := t.next()
		if !ok {
			return list, t.err()
		}
		full := len(list.Notifications) == limit || bytes >= listBytes
		n, ok, err := t.take(seq, state)
		if err != nil {
			return list, fmt.Errorf("notification %d: %w", seq, err)
		}
		if !ok || n.Expired(now) {
			continue
		}
		if list.More = full; full {
			return list, nil
		}
		list.Notifications = append(list.Notifications, n)
		bytes += len(n.Content)
	}
}

// Unread returns how many of those that r was told up to a sequence are neither
// read nor archived. What is past its time counts until it is swept. No history
// is scanned: every connection asks.
func (s *Store) Unread(r notify.Reader, upTo notify.Sequence) (int, error) {
	_, lists, err := s.sharedWith(r, 0, upTo)
	if err != nil {
		return 0, err
	}
	v := s.views.take()
	defer v.leave()
	h, err := readHistoryOf(v, ofUser(r.User))
	if err != nil {
		return 0, err
	}
	count := int(h.unread) //nolint:gosec // a number of notifications
	if count > 0 && v.applied > upTo {
		later, err := unreadAfter(v, ofUser(r.User), upTo)
		if err != nil {
			return 0, err
		}
		count -= later
	}
	for i, list := range distinct(lists) {
		if len(list) == 0 {
			continue
		}
		m, err := readMarks(v, marksKinds()[i], r.User)
		if err != nil {
			return 0, err
		}
		count += m.unreadOf(list)
	}
	return count, nil
}

// unreadAfter counts what a user has unread behind seq, of which there is
// something only for a moment.
func unreadAfter(from pebble.Reader, o owner, seq notify.Sequence) (count int, err error) {
	err = each(from, o.toldKey(seq+1), o.toldKey(^notify.Sequence(0)), func(_, v []byte) (bool, error) {
		had, _, err := readTold(v)
		if had.unread() {
			count++
		}
		return true, err
	})
	return count, err
}

// distinct returns the list of everyone and, if there are topics, one of all of
// them: one notification may have been told to several.
func distinct(shared [][]item) [][]item {
	if len(shared) <= 2 { // everyone, and one topic
		return shared
	}
	return [][]item{shared[0], merged(shared[1:])}
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
