package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/bellhop/bellhop/internal/notify"
)

// preferencesCost is the number of marked notifications as which a change of preferences counts.
const preferencesCost = 100

// Preferences returns the preferences of u, on behalf of u itself or of an operator. Its error is of
// kind ErrScope if by has no user, or may not administer u.
func (s *Service) Preferences(_ context.Context, by notify.Principal, u notify.UserID) (notify.Preferences, error) {
	if err := mayPrefer(by, u); err != nil {
		return notify.Preferences{}, err
	}
	p, err := s.opts.Store.Preferences(u)
	if err != nil {
		return notify.Preferences{}, fmt.Errorf("preferences: %w", err)
	}
	return p, nil
}

// SetPreferences replaces the preferences of a user, on behalf of the user or of an operator. Its
// errors are of the kinds ErrScope, as for Preferences; ErrLimit, if the user has changed too much
// lately; ErrUnavailable; and ErrOutcomeUnknown, after which a retry does no harm.
func (s *Service) SetPreferences(ctx context.Context, by notify.Principal, e notify.UserPreferences) error {
	if err := mayPrefer(by, e.User); err != nil {
		return err
	}
	if err := s.Ready(); err != nil {
		return err
	}
	e.MaxBytes = s.opts.MaxBytes
	return s.inTurn(ctx, e.User, func(first context.Context) error {
		s.opts.Marks.Charge(string(e.User), preferencesCost)
		err := s.opts.Journal.Append(first, e)[0].Err
		if errors.Is(err, notify.ErrOutcomeUnknown) {
			return notify.Errorf(notify.ErrOutcomeUnknown, "the change did not become durable in time; a retry does no harm")
		}
		return err
	})
}

// mayPrefer returns an error of kind ErrScope unless by may read and change the preferences of u.
func mayPrefer(by notify.Principal, u notify.UserID) error {
	switch u {
	case "":
		return errNoInbox()
	case by.User:
		return nil
	}
	if err := by.May(notify.ScopeAdmin); err != nil {
		return err
	}
	return by.MayAdminister(u)
}
