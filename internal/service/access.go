package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// maxRedemptions is the number of attempts to redeem a ticket for which the journal is
// asked: one, and those of a client that received no answer. Each is an entry.
const maxRedemptions = 3

// IssueTicket returns a ticket. Its bearer may connect as p, once and within
// notify.TicketLifetime; the connection ends when the token of p expires. The errors
// are of the kinds ErrScope, if p is no user, and ErrUnavailable.
func (s *Service) IssueTicket(ctx context.Context, p notify.Principal) (string, error) {
	if p.User == "" {
		return "", notify.Errorf(notify.ErrScope, "a ticket needs a user token; API keys and webhooks cannot have one")
	}
	if err := s.Ready(); err != nil {
		return "", err
	}
	shown := s.cursors.NewTicket()
	err := s.opts.Journal.Append(ctx, notify.Ticket{Hash: sha256.Sum256([]byte(shown)), Principal: p})[0].Err
	if errors.Is(err, notify.ErrOutcomeUnknown) { // a ticket that may have been stored was given to no client
		return "", notify.Unavailable(notify.CauseJournal, "the ticket did not become durable in time; retry")
	}
	if err == nil {
		s.opts.Metrics.Ticket("issued")
	}
	return shown, err
}

// RedeemTicket uses a ticket up and returns the principal that it was issued for. Its
// errors are of the kinds ErrTokenInvalid; ErrTokenExpired and ErrTokenRevoked, if
// that is true of the principal's token by now; ErrUnavailable; and ErrOutcomeUnknown,
// after which the ticket may have been used up.
func (s *Service) RedeemTicket(ctx context.Context, ticket string) (notify.Principal, error) {
	p, err := s.redeem(ctx, ticket)
	outcome := "redeemed"
	if err != nil {
		outcome = "refused"
	}
	s.opts.Metrics.Ticket(outcome)
	return p, err
}

func (s *Service) redeem(ctx context.Context, ticket string) (notify.Principal, error) {
	// A string that is no ticket is refused before it costs an entry: callers without a
	// token must not be able to make the disk sync.
	if !s.cursors.IsTicket(ticket) && s.unknownTickets.Allow("", 1) == nil {
		s.opts.Journal.CatchUp(ctx) // another node may have issued it in a generation that is new here
	}
	if !s.cursors.IsTicket(ticket) {
		return notify.Principal{}, notify.TokenInvalid(notify.CauseTicket, "this service did not issue the ticket; request one with POST /tickets")
	}
	hash := sha256.Sum256([]byte(ticket))
	if s.redemptions.Allow(string(hash[:]), 1) != nil {
		return notify.Principal{}, notify.TokenInvalid(notify.CauseTicket, "the ticket has been used")
	}
	v := s.opts.Journal.Append(ctx, notify.Redemption{Hash: hash})[0]
	switch {
	case errors.Is(v.Err, notify.ErrOutcomeUnknown):
		return notify.Principal{}, notify.Errorf(notify.ErrOutcomeUnknown, "the ticket may have been used; request another")
	case v.Err != nil:
		return notify.Principal{}, v.Err
	}
	switch p := v.Principal; {
	case !s.findIssuer(p):
		return notify.Principal{}, notify.TokenInvalid(notify.CauseIssuer,
			"the issuer of the token that the ticket was issued for is no longer accepted, or its configuration has changed; request another")
	case !p.Expires.IsZero() && !time.Now().Before(p.Expires.Add(notify.Leeway)):
		return notify.Principal{}, notify.Errorf(notify.ErrTokenExpired, "the token that the ticket was issued for has expired")
	case s.Revoked(*p):
		return notify.Principal{}, notify.Errorf(notify.ErrTokenRevoked, "the token that the ticket was issued for has been revoked")
	}
	return *v.Principal, nil
}

// findIssuer sets the issuer of p, which was stored by name, to the issuer that is
// accepted now. It reports false if that name is no longer accepted, or its
// configuration has changed.
func (s *Service) findIssuer(p *notify.Principal) bool {
	if p.Issuer == nil || s.opts.Issuers == nil {
		return true
	}
	now := s.opts.Issuers.Issuer(p.Issuer.Name)
	if now == nil || now.Version != p.Issuer.Version {
		return false
	}
	p.Issuer = now
	return true
}

// Revoke revokes the tokens that r names, on behalf of by: when it returns they are
// refused, and their connections end. A jti without an issuer belongs to the issuer of
// by's token, or to the only issuer. Revoke works on a full disk. Its errors are of the
// kinds ErrScope, ErrInvalid, ErrUnavailable, and ErrOutcomeUnknown, after which a
// retry does no harm.
func (s *Service) Revoke(ctx context.Context, by notify.Principal, r notify.Revocation) error {
	if faults := revocationFaults(&r); len(faults) > 0 {
		return notify.Invalid(faults...)
	}
	r.Before = notify.StorableTime(r.Before)
	var err error
	if r.TokenID != "" {
		r.Issuer, err = s.revocable(&by, r.Issuer)
	} else {
		err = by.MayAdminister(r.User)
	}
	if err != nil {
		return err
	}
	err = s.opts.Journal.Append(ctx, r)[0].Err
	if errors.Is(err, notify.ErrOutcomeUnknown) {
		return notify.Errorf(notify.ErrOutcomeUnknown, "the revocation did not become durable in time; a retry does no harm")
	}
	return err
}

func revocationFaults(r *notify.Revocation) []notify.Fault {
	switch {
	case (r.User == "") == (r.TokenID == ""):
		return []notify.Fault{{Detail: "must have exactly one of user and jti"}}
	case r.User != "" && r.Before.IsZero():
		return []notify.Fault{{Pointer: "/issued_before", Detail: "is required with user"}}
	case r.User != "" && r.Issuer != "":
		return []notify.Fault{{Pointer: "/issuer", Detail: "must not be given with user, only with jti"}}
	case r.Before.After(time.Now().Add(notify.Leeway)): // a revocation cannot be taken back
		return []notify.Fault{{Pointer: "/issued_before", Detail: "must not be in the future"}}
	case r.TokenID != "" && !r.Before.IsZero():
		return []notify.Fault{{Pointer: "/issued_before", Detail: "must not be given with jti, only with user"}}
	}
	return nil
}

// revocable returns the name of the issuer of the tokens to revoke, if by has named
// issuer. Its error reveals whether such an issuer exists only to a principal that may
// revoke that issuer's tokens.
func (s *Service) revocable(by *notify.Principal, issuer string) (string, error) {
	switch {
	case issuer == "" && by.Issuer != nil:
		return by.Issuer.Name, nil
	case by.Bound() != nil && issuer != by.Issuer.Name:
		return "", notify.Errorf(notify.ErrScope, "a token of this issuer may revoke only tokens of the same issuer")
	case s.opts.Issuers == nil:
		return issuer, nil
	case issuer == "":
		if only := s.opts.Issuers.OnlyIssuer(); only != nil {
			return only.Name, nil
		}
		return "", notify.Invalid(notify.Fault{Pointer: "/issuer", Detail: "is required: there are several issuers, and each may have given this jti"})
	case s.opts.Issuers.Issuer(issuer) == nil:
		return "", notify.Invalid(notify.Fault{Pointer: "/issuer", Detail: "must be an issuer whose tokens are accepted"})
	}
	return issuer, nil
}

// Connections returns the open connections of u on all nodes. Its error is of kind ErrScope
// if by may not administer such a user.
func (s *Service) Connections(ctx context.Context, by notify.Principal, u notify.UserID) (notify.Connections, error) {
	if err := by.MayAdminister(u); err != nil {
		return notify.Connections{}, err
	}
	all, err := s.opts.Peers.Connections(ctx, u)
	if err != nil {
		return notify.Connections{}, fmt.Errorf("list connections: %w", err)
	}
	return all, nil
}

// Disconnect ends the open connections of u on all nodes. Clients may connect again.
// Its error is of kind ErrScope if by may not administer such a user, and
// ErrUnavailable or ErrOutcomeUnknown if a node could not be reached.
func (s *Service) Disconnect(ctx context.Context, by notify.Principal, u notify.UserID) error {
	if err := by.MayAdminister(u); err != nil {
		return err
	}
	if err := s.opts.Peers.Disconnect(ctx, u, ""); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}

// Revoked reports whether the token of p is revoked. It is called for every request,
// and reads memory only.
func (s *Service) Revoked(p notify.Principal) bool { return s.opts.Store.Revoked(p) }

// refused reports whether a token that was accepted once is refused now, since it was
// revoked or its issuer withdrawn, and the reason with which its connections end.
func (s *Service) refused(p notify.Principal) (why notify.Close, yes bool) {
	if why, yes = p.Issuer.Withdrawn(); yes {
		return why, true
	}
	return notify.CloseRevoked, s.Revoked(p)
}
