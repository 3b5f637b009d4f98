package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Query selects a page of an inbox.
type Query struct {
	Filter notify.Filter
	Before string // the Next of the page before; empty: the page with the newest
	Limit  int    // the maximum number of notifications
}

// List returns a page of the inbox of the user of by, newest first. A page may hold
// fewer than q.Limit without being the last. Its counts are those of CountMatching. Its errors
// are of the kinds ErrScope, if by is no user, ErrMalformed, if q.Before is no cursor of this
// user, and ErrUnavailable.
func (s *Service) List(ctx context.Context, by notify.Principal, q Query) (wire.InboxPage, error) {
	if by.User == "" {
		return wire.InboxPage{}, errNoInbox()
	}
	return s.list(ctx, by.Name, by.Reader(), q)
}

// list returns a page of the inbox of r, and counts as a read of the principal with a name.
func (s *Service) list(ctx context.Context, principal string, r notify.Reader, q Query) (wire.InboxPage, error) {
	tag := cursor.TagOf(r.User)
	before, err := s.openBefore(ctx, tag, q.Before)
	if err != nil {
		return wire.InboxPage{}, err
	}
	if s.lists.Acquire(ctx, principal) != nil {
		return wire.InboxPage{}, errTooManyLists()
	}
	defer s.lists.Release(principal)
	upTo := s.opts.Journal.Durable()
	list, err := s.opts.Store.List(r, before, upTo, &q.Filter, q.Limit, time.Now())
	if err != nil {
		return wire.InboxPage{}, fmt.Errorf("list an inbox: %w", err)
	}
	counts, err := s.opts.Store.CountMatching(r, upTo, &q.Filter, notify.ByNothing)
	if err != nil {
		return wire.InboxPage{}, fmt.Errorf("count notifications: %w", err)
	}
	page := wire.InboxPage{Items: s.items(tag, list.Notifications), Counts: counts.Counts, Cursor: s.cursor(tag, upTo)}
	if list.Next > 0 {
		page.Next = s.cursor(tag, list.Next) + page.Cursor
	}
	return page, nil
}

// openBefore returns the sequence before which a page ends, 0 for the first page, from a Query. Its errors are of the kinds
// ErrMalformed and ErrUnavailable.
func (s *Service) openBefore(ctx context.Context, tag cursor.Tag, before string) (notify.Sequence, error) {
	if before == "" {
		return 0, nil
	}
	seq, err := s.openNext(ctx, tag, before)
	if err != nil && !errors.Is(err, notify.ErrUnavailable) {
		return 0, notify.Errorf(notify.ErrMalformed, "the parameter before must be a cursor that this user was given")
	}
	return seq, err
}

// openNext returns the sequence before which a page ends, from the Next of the page before or
// from any cursor of the user. A Next is two cursors: that of the last item, and that of the page.
// Another node may have listed the page before. This node waits until it has applied as much,
// because the reader resumes from the cursor of the first page, and would never learn of a
// change that a later page lacks. The errors are those of openCursor.
func (s *Service) openNext(ctx context.Context, tag cursor.Tag, next string) (notify.Sequence, error) {
	if len(next) == 2*cursor.Length {
		if _, err := s.openCursor(ctx, tag, next[cursor.Length:]); err != nil {
			return 0, err
		}
		next = next[:cursor.Length]
	}
	return s.openCursor(ctx, tag, next)
}

// Counts returns the numbers of notifications in the inbox of the user of by that match a
// filter, whatever its State. See CountMatching of package store for its bounds. Its errors are
// of the kinds ErrScope, if by is no user, and ErrUnavailable.
func (s *Service) Counts(ctx context.Context, by notify.Principal, f notify.Filter, grouping notify.Grouping) (notify.GroupedCounts, error) {
	if by.User == "" {
		return notify.GroupedCounts{}, errNoInbox()
	}
	if s.lists.Acquire(ctx, by.Name) != nil {
		return notify.GroupedCounts{}, errTooManyLists()
	}
	defer s.lists.Release(by.Name)
	counts, err := s.opts.Store.CountMatching(by.Reader(), s.opts.Journal.Durable(), &f, grouping)
	if err != nil {
		return notify.GroupedCounts{}, fmt.Errorf("count notifications: %w", err)
	}
	return counts, nil
}

func errTooManyLists() error {
	return notify.Unavailable(notify.CauseBusy, "too many inboxes are being read; retry later")
}

func (s *Service) items(tag cursor.Tag, all []notify.Notification) []wire.InboxItem {
	items := make([]wire.InboxItem, len(all))
	for i, n := range all {
		items[i] = wire.InboxItem{Notification: n, Cursor: s.cursor(tag, n.Sequence)}
	}
	return items
}

func (s *Service) cursor(tag cursor.Tag, seq notify.Sequence) string {
	return string(s.cursors.Append(nil, tag, seq))
}
