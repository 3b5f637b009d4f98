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

// errNoInbox refuses a principal that is no user.
func errNoInbox() error {
	return notify.Errorf(notify.ErrScope, "this endpoint needs a user token; API keys and webhooks have no inbox")
}

// Mark changes the read state of notifications for the user of by, and returns how
// many are unread and unseen then. Every connection of the user receives the change. Its errors
// are of the kinds ErrScope, if by is no user, ErrInvalid, ErrLimit, if the user has
// changed too many notifications lately, ErrUnavailable, and ErrOutcomeUnknown, after
// which some may have changed and a retry does no harm.
func (s *Service) Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (notify.Counts, error) {
	if by.User == "" {
		return notify.Counts{}, errNoInbox()
	}
	e := notify.Mark{Reader: by.Reader(), Verb: verb, IDs: which.IDs, Keep: s.opts.Keep}
	if which.IDs == nil {
		var err error
		if e.Through, err = s.upTo(ctx, by.User, which); err != nil {
			return notify.Counts{}, err
		}
	}
	if err := s.Ready(); err != nil {
		return notify.Counts{}, err
	}
	var at notify.Sequence
	err := s.inTurn(ctx, by.User, func(first context.Context) (err error) {
		at, err = s.appendMark(first, ctx, e)
		return err
	})
	if err != nil {
		return notify.Counts{}, err
	}
	counts, err := s.opts.Store.Counts(e.Reader, at)
	if err != nil {
		return notify.Counts{}, fmt.Errorf("count notifications: %w", err)
	}
	return counts, nil
}

// upTo returns the sequence up to which a selection reaches: that of a cursor of the
// user, or the last durable one.
func (s *Service) upTo(ctx context.Context, u notify.UserID, which wire.Selection) (notify.Sequence, error) {
	if which.All {
		return s.opts.Journal.Durable(), nil
	}
	seq, err := s.openCursor(ctx, cursor.TagOf(u), which.Through)
	switch {
	case errors.Is(err, notify.ErrUnavailable):
		return 0, err
	case err != nil || seq > s.opts.Journal.Durable():
		return 0, notify.Invalid(notify.Fault{Pointer: "/through", Detail: "must be a cursor that this user was given"})
	}
	return seq, nil
}

// changeTimeout bounds the wait for other changes of a user together with the first entry of a
// change. Without a quorum, every caller has an answer within it, not only the first one.
const changeTimeout = 5 * time.Second

// inTurn calls change when no other change of the same user's read state or preferences is under
// way, on this or another connection: each is charged before the next begins. first is ctx, and
// ends after changeTimeout.
func (s *Service) inTurn(ctx context.Context, u notify.UserID, change func(first context.Context) error) error {
	first, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	if s.marking.Acquire(first, string(u)) != nil {
		return notify.Unavailable(notify.CauseBusy, "other changes of this user are still being stored; retry later")
	}
	defer s.marking.Release(string(u))
	if err := s.opts.Marks.Allow(string(u), 1); err != nil {
		return err
	}
	return change(first)
}

// lookupsPerMark is how many IDs that change nothing cost as much as one that does.
const lookupsPerMark = 8

// appendMark appends e until all of its notifications have changed, and returns the
// sequence at which they have. One entry changes a bounded number, and entries of
// other publishers come in between. If e selects no notification, nothing is appended. The
// first entry is appended within the context first, and further ones within ctx.
func (s *Service) appendMark(first, ctx context.Context, e notify.Mark) (notify.Sequence, error) {
	if e.IDs != nil && len(e.IDs) == 0 {
		return s.opts.Journal.Durable(), nil
	}
	begin := e.From
	for within := first; ; within = ctx {
		v := s.opts.Journal.Append(within, e)[0]
		s.opts.Marks.Charge(string(e.Reader.User), max(1, v.Changed, len(e.IDs)/lookupsPerMark))
		switch {
		case errors.Is(v.Err, notify.ErrUnavailable) && e.From != begin:
			return 0, notify.Errorf(notify.ErrOutcomeUnknown, "a part of the change is stored, and the rest is not; a retry continues it")
		case errors.Is(v.Err, notify.ErrOutcomeUnknown):
			return 0, notify.Errorf(notify.ErrOutcomeUnknown, "the change did not become durable in time; a retry does no harm")
		case v.Err != nil:
			return 0, v.Err
		case !v.More:
			return v.Sequence, nil
		}
		e.From = v.Next
	}
}
