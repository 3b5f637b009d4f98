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

// errNoInbox says that who asks is nobody's user.
func errNoInbox() error {
	return notify.Errorf(notify.ErrScope, "an inbox is for the token of a user")
}

// Mark changes the state that notifications have for the user of by, and
// returns how many are unread then. Every connection of the user is told. Its
// errors are of the kinds ErrScope, if by is no user, ErrInvalid, ErrLimit, if the
// user has marked too many lately, ErrUnavailable, and ErrOutcomeUnknown, after which
// some may be marked, and it does no harm to mark again.
func (s *Service) Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (unread int, err error) {
	if by.User == "" {
		return 0, errNoInbox()
	}
	e := notify.Mark{Reader: by.Reader(), Verb: verb, IDs: which.IDs, Keep: s.opts.Keep}
	if which.IDs == nil {
		if e.Through, err = s.through(by.User, which); err != nil {
			return 0, err
		}
	}
	if err := s.Ready(); err != nil {
		return 0, err
	}
	at, err := s.markInTurn(ctx, e)
	if err != nil {
		return 0, err
	}
	if unread, err = s.opts.Store.Unread(e.Reader, at); err != nil {
		return 0, fmt.Errorf("count what is unread: %w", err)
	}
	return unread, nil
}

// through returns up to where which reaches: a place that the user was told of,
// or all that is durable now.
func (s *Service) through(u notify.UserID, which wire.Selection) (notify.Sequence, error) {
	durable := s.opts.Journal.Durable()
	if which.All {
		return durable, nil
	}
	seq, err := s.cursors.Open(cursor.TagOf(u), which.Through)
	if err != nil || seq > durable {
		return 0, notify.Invalid(notify.Fault{Pointer: "/through", Detail: "is no cursor that this user was given"})
	}
	return seq, nil
}

// markInTurn appends e when no other mark of its user is under way, so that each is
// paid for before the next begins, be it on another connection.
func (s *Service) markInTurn(ctx context.Context, e notify.Mark) (notify.Sequence, error) {
	user := string(e.Reader.User)
	if s.marking.Acquire(ctx, user) != nil {
		return 0, notify.Errorf(notify.ErrUnavailable, "other marks of this user take too long")
	}
	defer s.marking.Release(user)
	if err := s.opts.Marks.Allow(user, 1); err != nil {
		return 0, err
	}
	return s.appendMark(ctx, e)
}

// An ID that is looked up and changes nothing costs a fraction of one that does.
const lookupsPerMark = 8

// appendMark appends e until nothing is left to mark, and returns the place
// where that is so. Each time, it waits behind what others have appended meanwhile.
// A mark of no notification at all takes no place.
func (s *Service) appendMark(ctx context.Context, e notify.Mark) (notify.Sequence, error) {
	if e.IDs != nil && len(e.IDs) == 0 {
		return s.opts.Journal.Durable(), nil
	}
	for {
		v := s.opts.Journal.Append(ctx, e)[0]
		s.opts.Marks.Charge(string(e.Reader.User), max(1, v.Changed, len(e.IDs)/lookupsPerMark))
		switch {
		case errors.Is(v.Err, notify.ErrOutcomeUnknown):
			return 0, notify.Errorf(notify.ErrOutcomeUnknown, "the mark did not become durable in time; it does no harm to try again")
		case v.Err != nil:
			return 0, v.Err
		case !v.More:
			return v.Sequence, nil
		}
		e.From = v.Next
	}
}

// Query says which stretch of an inbox to list.
type Query struct {
	State  notify.InboxState
	Before string // the Next of another page; empty: from the newest on
	Limit  int    // how many at most
}

// List returns what is in the inbox of the user of by, newest first. A page may
// have fewer than q.Limit and still not be the last. Its errors are of the kinds
// ErrScope, if by is no user, ErrMalformed, if q.Before is not for this user, and
// ErrUnavailable.
func (s *Service) List(ctx context.Context, by notify.Principal, q Query) (wire.InboxPage, error) {
	if by.User == "" {
		return wire.InboxPage{}, errNoInbox()
	}
	tag := cursor.TagOf(by.User)
	var before notify.Sequence
	if q.Before != "" {
		var err error
		if before, err = s.cursors.Open(tag, q.Before); err != nil {
			return wire.InboxPage{}, notify.Errorf(notify.ErrMalformed, "before is no cursor that this user was given")
		}
	}
	if s.lists.Acquire(ctx, by.Name) != nil {
		return wire.InboxPage{}, notify.Errorf(notify.ErrUnavailable, "too many inboxes are being read")
	}
	defer s.lists.Release(by.Name)
	upTo := s.opts.Journal.Durable()
	list, err := s.opts.Store.List(by.Reader(), before, upTo, q.State, q.Limit, time.Now())
	if err != nil {
		return wire.InboxPage{}, fmt.Errorf("list an inbox: %w", err)
	}
	unread, err := s.opts.Store.Unread(by.Reader(), upTo)
	if err != nil {
		return wire.InboxPage{}, fmt.Errorf("count what is unread: %w", err)
	}
	page := wire.InboxPage{Items: s.items(tag, list.Notifications), Unread: unread, Cursor: s.cursor(tag, upTo)}
	if list.Next > 0 {
		page.Next = s.cursor(tag, list.Next)
	}
	return page, nil
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
