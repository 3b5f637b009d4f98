package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Page is a stretch of what a reader was told, in the one order of the journal.
type Page struct {
	Notifications []notify.Notification // each as the reader finds it

	// Changes are those of state, and recalls, within the same stretch.
	Changes []notify.InboxChange

	// End is up to where the page is complete: the bound that was asked for, or
	// where the page was full.
	End notify.Sequence

	// Removed is the highest sequence that retention has taken of what the reader
	// was told, 0 if none: a cursor before it has a hole after it.
	Removed notify.Sequence
}

// pageBytes is how much content one page holds, give or take a notification:
// thousands may be reading at once.
const pageBytes = 64 << 10

// History returns what the reader was told after one sequence and up to
// another, oldest first. The page is full at limit notifications and changes.
// It shows the state of one moment. The caller bounds upTo by the journal's
// durable mark.
func (s *Store) History(r notify.Reader, after, upTo notify.Sequence, limit int) (Page, error) {
	t, err := s.timeline(r, after, upTo)
	if err != nil {
		return Page{}, err
	}
	defer t.close()
	page := Page{End: upTo, Removed: t.removed()}
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
			return page, fmt.Errorf("notification %d: %w", seq, err)
		}
		if len(t.contents)+page.changeBytes() >= pageBytes || len(page.Notifications)+len(page.Changes) >= limit {
			page.End = seq
			return page, nil
		}
	}
}

// changeBytes is what the changes take, about.
func (p *Page) changeBytes() (n int) {
	const id = 64
	for i := range p.Changes {
		n += id * int(weight(&p.Changes[i])) //nolint:gosec // a number of IDs
	}
	return n
}

// acquire puts what is at seq, which is next in t, at the end of the page: a change,
// a notification, or one that has replaced what the change tells of.
func (p *Page) add(t *timeline, seq notify.Sequence, limit int) error {
	if c, ok := t.changeAt(seq); ok {
		p.Changes = append(p.Changes, c)
		if next, ok := t.next(); !ok || next != seq {
			return nil
		}
	}
	n, ok, err := t.notificationAt(seq, notify.StateAll)
	if !ok || err != nil {
		return err
	}
	if p.Notifications == nil {
		p.Notifications = make([]notify.Notification, 0, min(limit, 32))
	}
	p.Notifications = append(p.Notifications, n)
	return nil
}

// readGenerations returns the generations of the journal, oldest first.
func readGenerations(r pebble.Reader) ([]notify.Generation, error) {
	var all []notify.Generation
	err := each(r, []byte{kindGeneration}, endOfKind(kindGeneration), func(k, v []byte) (bool, error) {
		g, err := readGeneration(sequenceOf(k), v)
		all = append(all, g)
		return true, err
	})
	return all, err
}
