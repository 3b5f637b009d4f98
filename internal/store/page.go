package store

import (
	"errors"
	"fmt"

	"github.com/bellhop/bellhop/internal/notify"
)

// Page is a part of a reader's history, in the order of the journal.
type Page struct {
	Notifications []notify.Notification // as the reader sees them

	// Changes are read-state changes and recalls in the same range of sequences.
	Changes []notify.InboxChange

	// End is the sequence up to which the page is complete: the upTo of the call, or the
	// last sequence of a full page.
	End notify.Sequence

	// Removed is the highest sequence that retention has removed from the reader's
	// history, 0 if it has removed none. A reader with an earlier cursor has a gap.
	Removed notify.Sequence

	// Muted is the sequence of the last change of what the preferences of the reader hide, 0 if
	// there was none. A reader with an earlier cursor has other notifications than the history.
	Muted notify.Sequence
}

// pageBytes is the content at which a page is full. Thousands of connections may read at
// once.
const pageBytes = 64 << 10

// History returns the notifications and changes of r after one sequence and up to another
// one, oldest first, from one snapshot. A page is full at limit notifications and
// changes. The caller must bound upTo by the journal's durable sequence.
func (s *Store) History(r notify.Reader, after, upTo notify.Sequence, limit int) (Page, error) {
	t, err := s.timeline(r, after, upTo)
	if err != nil {
		return Page{}, err
	}
	defer t.close()
	page := Page{End: upTo, Removed: t.removed(), Muted: t.histories[0].muted}
	if upTo <= after {
		return page, nil
	}
	if err := errors.Join(t.readChanges(limit), t.openIterators()); err != nil {
		return page, err
	}
	for {
		seq, ok := t.next()
		if !ok {
			return page, t.err()
		}
		if err := page.add(t, seq, limit); err != nil {
			return page, fmt.Errorf("read notification %d: %w", seq, err)
		}
		if len(t.contents)+page.changeBytes() >= pageBytes || len(page.Notifications)+len(page.Changes) >= limit {
			page.End = seq
			return page, nil
		}
	}
}

// changeBytes estimates the size of the changes.
func (p *Page) changeBytes() (n int) {
	const id = 64
	for i := range p.Changes {
		n += id * int(weight(&p.Changes[i])) //nolint:gosec // a number of IDs
	}
	return n
}

// add appends the change, the notification or both at seq, the next sequence of t: a
// notification that replaces another one has the sequence of the recalled change.
func (p *Page) add(t *timeline, seq notify.Sequence, limit int) error {
	if c, ok := t.changeAt(seq); ok {
		p.Changes = append(p.Changes, c)
		if next, ok := t.next(); !ok || next != seq {
			return nil
		}
	}
	n, ok, err := t.notificationAt(seq, &notify.Filter{State: notify.StateAll})
	if !ok || err != nil {
		return err
	}
	if p.Notifications == nil {
		p.Notifications = make([]notify.Notification, 0, min(limit, 32))
	}
	p.Notifications = append(p.Notifications, n)
	return nil
}
