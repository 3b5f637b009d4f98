package store

import (
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// List is a page of an inbox, newest first.
type List struct {
	Notifications []notify.Notification // each as the reader finds it

	// Next is before which sequence the next page begins, 0 if there is none. It may
	// be further on than the last of the page, and a page may be empty.
	Next notify.Sequence
}

// maxListReads is at how many notifications a page looks at most, whatever state it
// lists: of a hundred thousand that are read, none may be unread.
const maxListReads = 10_000

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
	if err := t.openIterators(); err != nil {
		return List{}, err
	}
	var list List
	bytes := 0
	for looks := 0; ; looks++ {
		seq, ok := t.next()
		if !ok {
			return list, t.err()
		}
		if looks == maxListReads {
			list.Next = seq + 1
			return list, nil
		}
		full := len(list.Notifications) == limit || bytes >= listBytes
		n, ok, err := t.notificationAt(seq, state)
		if err != nil {
			return list, fmt.Errorf("notification %d: %w", seq, err)
		}
		if !ok || n.Expired(now) {
			continue
		}
		if full {
			list.Next = list.Notifications[len(list.Notifications)-1].Sequence
			return list, nil
		}
		list.Notifications = append(list.Notifications, n)
		bytes += len(n.Content)
	}
}
