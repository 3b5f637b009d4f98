package store

import (
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// List is a page of an inbox, newest first.
type List struct {
	Notifications []notify.Notification // as the reader sees them

	// Next is the sequence before which the next page begins; 0: this is the last page. It
	// may be lower than the sequence of the last notification, and a page may be empty.
	Next notify.Sequence
}

// maxListReads is the maximum of notifications that a page or a count with a filter reads, whether
// they match or not. It bounds a list of unread notifications if a hundred thousand are read and
// none is unread.
const maxListReads = 10_000

// listBytes is the content at which a page is full. Hundreds of requests may read at
// once, and a hundred large notifications are megabytes.
const listBytes = 256 << 10

// List returns the notifications of r that match f, newest first: at most limit, before a
// sequence (0: from the newest) and up to another one, which the caller takes from the
// journal's durable sequence as for History. Notifications that have expired at now are
// left out.
func (s *Store) List(r notify.Reader, before, upTo notify.Sequence, f *notify.Filter, limit int, now time.Time) (List, error) {
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
	for reads := 0; ; reads++ {
		seq, ok := t.next()
		if !ok {
			return list, t.err()
		}
		if reads == maxListReads {
			list.Next = seq + 1
			return list, nil
		}
		full := len(list.Notifications) == limit || bytes >= listBytes
		n, ok, err := t.notificationAt(seq, f)
		if err != nil {
			return list, fmt.Errorf("read notification %d: %w", seq, err)
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
