package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

// Trace is what is known of a notification, and of the connections of its users.
type Trace struct {
	store.Trace

	Connected  []Connected // of each of the users of the Trace
	Incomplete []string    // names of the nodes that have not answered
}

// Connected are the open connections of a user.
type Connected struct {
	Known bool // false: they could not be counted
	notify.ConnectionCount
}

// Trace returns what became of the notification with an ID, for each of its users, or for one
// user if user is not empty. Its errors are of the kinds ErrNotFound, if nothing is known of the
// notification, or by is neither its publisher nor an operator, or its recipients are beyond
// the issuer of by; ErrScope, if by is an operator who may not administer user; and
// ErrUnavailable, if too many inboxes are being read or notifications traced.
func (s *Service) Trace(ctx context.Context, by notify.Principal, id string, user notify.UserID) (Trace, error) {
	unknown := notify.Errorf(notify.ErrNotFound, "no notification with this id is known to you")
	if !wire.IsID(id) {
		return Trace{}, unknown
	}
	if user != "" {
		if err := by.MayAdminister(user); err != nil {
			return Trace{}, err
		}
	}
	if s.traces.Acquire(ctx, by.Name) != nil { // it may ask all nodes about a thousand users
		return Trace{}, notify.Unavailable(notify.CauseBusy, "too many notifications are being traced; retry later")
	}
	defer s.traces.Release(by.Name)
	found, ok, err := s.readTrace(ctx, by, id, user)
	switch {
	case err != nil:
		return Trace{}, err
	case !ok, found.By != by.Name && by.May(notify.ScopeAdmin) != nil, !by.Bound().Reaches(&found.Notification):
		return Trace{}, unknown
	}
	t := Trace{Trace: found}
	if err := s.countOpen(ctx, &t); err != nil && !errors.Is(err, notify.ErrUnavailable) {
		return Trace{}, fmt.Errorf("count connections: %w", err)
	}
	return t, nil
}

// readTrace reads what the store knows, in one of the places of those who read inboxes. That is free
// again before other nodes are asked, which may take long.
func (s *Service) readTrace(ctx context.Context, by notify.Principal, id string, user notify.UserID) (store.Trace, bool, error) {
	if s.lists.Acquire(ctx, by.Name) != nil {
		return store.Trace{}, false, errTooManyLists()
	}
	defer s.lists.Release(by.Name)
	found, ok, err := s.opts.Store.Trace(id, user, s.opts.Journal.Durable(), time.Now())
	if err != nil {
		return store.Trace{}, false, fmt.Errorf("trace a notification: %w", err)
	}
	return found, ok, nil
}

// countOpen counts the open connections of the users of a trace.
func (s *Service) countOpen(ctx context.Context, t *Trace) error {
	users := make([]notify.UserID, len(t.Users))
	for i := range users {
		users[i] = t.Users[i].User
	}
	t.Connected = make([]Connected, len(users))
	if len(users) == 0 {
		return nil
	}
	all, err := s.opts.Peers.CountConnections(ctx, users)
	if err != nil {
		return err //nolint:wrapcheck // the caller knows its kind
	}
	t.Incomplete = all.Incomplete
	for i, one := range all.Of {
		t.Connected[i] = Connected{Known: true, ConnectionCount: one}
	}
	return nil
}

// ListOf returns a page of the inbox of u, on behalf of an operator: notifications to the user,
// to the topics of which the user is a member, and to everyone. Those to topics that only a token
// names are not known. Its error is of kind ErrScope if by may not administer u; the others are
// those of List.
func (s *Service) ListOf(ctx context.Context, by notify.Principal, u notify.UserID, q Query) (wire.InboxPage, error) {
	if err := by.MayAdminister(u); err != nil {
		return wire.InboxPage{}, err
	}
	return s.list(ctx, by.Name, notify.Reader{User: u}, q)
}

// RemovedPage is a page of the notifications that a user no longer has.
type RemovedPage struct {
	Removed    []store.Removed // the last published first
	Next       string          // the Before of the next page; empty: this is the last one
	SearchedTo time.Time       // the time of the oldest notification that was searched, if there is a Next
}

// RemovedOf returns a page of the notifications that have left the inbox of u, on behalf of an operator: those that ListOf
// would list. Without a match it ends after a part of the removed notifications, so that a page may be empty without
// being the last. The filter of q is not used. The errors are those of ListOf.
func (s *Service) RemovedOf(ctx context.Context, by notify.Principal, u notify.UserID, q Query) (page RemovedPage, err error) {
	if err := by.MayAdminister(u); err != nil {
		return page, err
	}
	tag := cursor.TagOf(u)
	before, err := s.openBefore(ctx, tag, q.Before)
	if err != nil {
		return page, err
	}
	if s.lists.Acquire(ctx, by.Name) != nil {
		return page, errTooManyLists()
	}
	defer s.lists.Release(by.Name)
	upTo := s.opts.Journal.Durable()
	found, err := s.opts.Store.Removed(u, before, upTo, q.Limit, time.Now())
	if err != nil {
		return page, fmt.Errorf("list removed notifications: %w", err)
	}
	page = RemovedPage{Removed: found.Removed, SearchedTo: found.SearchedTo}
	if found.Next > 0 {
		page.Next = s.cursor(tag, found.Next) + s.cursor(tag, upTo)
	}
	return page, nil
}
