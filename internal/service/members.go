package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// loadUser tells the hub of which topics the user of c is a member, and what the user's preferences
// hide. c must be registered: from then on changes reach the hub by themselves.
func (s *Service) loadUser(c *hub.Conn) error {
	u := c.User()
	for {
		version := c.MembersVersion()
		is, err := s.opts.Store.Subscriber(u)
		if err != nil {
			return fmt.Errorf("read the topics and preferences of a user: %w", err)
		}
		c.SetMuting(is.Muting, is.Since, s.opts.Journal.Durable())
		if c.SetMembers(version, is.Topics) {
			return nil
		}
	}
}

// mayManage returns an error of kind ErrScope unless by may change and list the members of topics
// that begin with those of its issuer.
func mayManage(by notify.Principal, topics []notify.Topic, users []notify.UserID) error {
	if err := by.May(notify.ScopeTopics); err != nil {
		return err
	}
	for _, t := range topics {
		if !by.Bound().HasTopic(t) {
			return notify.Errorf(notify.ErrScope, "tokens of this issuer may not use the topic %s", t)
		}
	}
	for _, u := range users {
		if err := by.MayAdminister(u); err != nil {
			return err
		}
	}
	return nil
}

// ChangeMembers adds users to the members of a topic and removes others, and returns how many have
// joined and left. Its errors are of the kinds ErrScope, ErrInvalid, ErrUnavailable and
// ErrOutcomeUnknown, after which a retry does no harm.
func (s *Service) ChangeMembers(ctx context.Context, by notify.Principal, e notify.Members) (joined, left int, err error) {
	if err := mayManage(by, []notify.Topic{e.Topic}, append(append([]notify.UserID{}, e.Add...), e.Remove...)); err != nil {
		return 0, 0, err
	}
	e.MaxBytes = s.opts.MaxBytes
	return s.appendMembers(ctx, e)
}

// SetTopics makes a user a member of topics, and of no others that by may change. Its errors are
// those of ChangeMembers.
func (s *Service) SetTopics(ctx context.Context, by notify.Principal, e notify.UserTopics) (joined, left int, err error) {
	if err := mayManage(by, e.Topics, []notify.UserID{e.User}); err != nil {
		return 0, 0, err
	}
	e.MaxBytes, e.Within = s.opts.MaxBytes, by.Bound()
	return s.appendMembers(ctx, e)
}

func (s *Service) appendMembers(ctx context.Context, e notify.Entry) (joined, left int, err error) {
	if err := s.Ready(); err != nil {
		return 0, 0, err
	}
	v := s.opts.Journal.Append(ctx, e)[0]
	if errors.Is(v.Err, notify.ErrOutcomeUnknown) {
		return 0, 0, notify.Errorf(notify.ErrOutcomeUnknown, "the change did not become durable in time; a retry does no harm")
	}
	return v.Added, v.Removed, v.Err
}

// Members returns the members of a topic after a user, in ascending order, and whether there are
// more. Users that by may not administer are left out. Its errors are of the kinds ErrScope and
// ErrUnavailable.
func (s *Service) Members(_ context.Context, by notify.Principal, t notify.Topic, after notify.UserID, limit int) ([]notify.UserID, bool, error) {
	if err := mayManage(by, []notify.Topic{t}, nil); err != nil {
		return nil, false, err
	}
	prefix := ""
	if b := by.Bound(); b != nil {
		prefix = b.Prefix
	}
	users, more, err := s.opts.Store.Members(t, prefix, after, limit)
	if err != nil {
		return nil, false, fmt.Errorf("list the members of a topic: %w", err)
	}
	return users, more, nil
}

// TopicsOf returns the topics of which a user is a member, in ascending order. Topics that by may not
// use are left out. Its errors are those of Members.
func (s *Service) TopicsOf(_ context.Context, by notify.Principal, u notify.UserID) ([]notify.Topic, error) {
	if err := mayManage(by, nil, []notify.UserID{u}); err != nil {
		return nil, err
	}
	is, err := s.opts.Store.Subscriber(u)
	if err != nil {
		return nil, fmt.Errorf("list the topics of a user: %w", err)
	}
	var topics []notify.Topic
	for t, hearing := range is.Topics {
		if hearing.Current() && by.Bound().HasTopic(t) {
			topics = append(topics, t)
		}
	}
	slices.Sort(topics)
	return topics, nil
}
