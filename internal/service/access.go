package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// redemptionsMost is how often a ticket may be shown in its lifetime before the
// journal is not asked any more: once, and again by a client that got no answer.
const redemptionsMost = 3

// IssueTicket returns a ticket with which whoever bears it may connect as p,
// once and within notify.TicketLifetime, but not for longer than the token of p
// is good. Its errors are of the kinds ErrScope, if p is no user, and
// ErrUnavailable.
func (s *Service) IssueTicket(ctx context.Context, p notify.Principal) (string, error) {
	if p.User == "" {
		return "", notify.Errorf(notify.ErrScope, "a ticket is for the token of a user")
	}
	if err := s.Ready(); err != nil {
		return "", err
	}
	shown := s.cursors.NewTicket()
	err := s.opts.Journal.Append(ctx, notify.Ticket{Hash: sha256.Sum256([]byte(shown)), Principal: p})[0].Err
	if errors.Is(err, notify.ErrOutcomeUnknown) { // nobody has what may have been stored
		return "", notify.Errorf(notify.ErrUnavailable, "the ticket did not become durable in time")
	}
	return shown, err
}

// RedeemTicket uses a ticket up and returns whom it was issued to. Its errors
// are of the kinds ErrTokenInvalid, and ErrTokenExpired and ErrTokenRevoked if
// the token that it was issued for is so by now, ErrUnavailable, and
// ErrOutcomeUnknown, after which the ticket may be used up.
func (s *Service) RedeemTicket(ctx context.Context, ticket string) (notify.Principal, error) {
	// A string that is no ticket is refused before it costs an entry: callers without a
	// token must not be able to make the disk sync.
	if !s.cursors.IsTicket(ticket) {
		return notify.Principal{}, notify.Errorf(notify.ErrTokenInvalid, "the ticket is not one that this service gave out")
	}
	hash := sha256.Sum256([]byte(ticket))
	if s.redemptions.Allow(string(hash[:]), 1) != nil { // only the first can succeed, and each is an entry
		return notify.Principal{}, notify.Errorf(notify.ErrTokenInvalid, "the ticket has been used")
	}
	v := s.opts.Journal.Append(ctx, notify.Redemption{Hash: hash})[0]
	known := s.findIssuer(&v.Principal)
	switch {
	case errors.Is(v.Err, notify.ErrOutcomeUnknown):
		return notify.Principal{}, notify.Errorf(notify.ErrOutcomeUnknown, "the ticket may have been used; take another")
	case v.Err != nil:
		return notify.Principal{}, v.Err
	case !known:
		return notify.Principal{}, notify.Errorf(notify.ErrTokenInvalid,
			"the issuer of the token that the ticket was issued for is not accepted any more, or its configuration has changed; take another")
	case !v.Principal.Expires.IsZero() && !time.Now().Before(v.Principal.Expires.Add(notify.Leeway)):
		return notify.Principal{}, notify.Errorf(notify.ErrTokenExpired, "the token that the ticket was issued for has expired")
	case s.Revoked(v.Principal):
		return notify.Principal{}, notify.Errorf(notify.ErrTokenRevoked, "the token that the ticket was issued for has been revoked")
	}
	return v.Principal, nil
}

// findIssuer replaces the issuer that p was stored with by the one that is
// accepted now. It reports false if there is no such issuer any more, or if its
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

// Revoke refuses the tokens that r concerns from its return on, and ends the
// connections that they opened, if by may do so. A jti without an issuer is of the
// issuer of by's token, or of the only one. A full disk does not hinder it. Its
// errors are of the kinds ErrScope, ErrInvalid, ErrUnavailable, and
// ErrOutcomeUnknown, after which it does no harm to revoke again.
func (s *Service) Revoke(ctx context.Context, by notify.Principal, r notify.Revocation) error {
	if faults := revocationFaults(&r); len(faults) > 0 {
		return notify.Invalid(faults...)
	}
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
		return notify.Errorf(notify.ErrOutcomeUnknown, "the revocation did not become durable in time; it does no harm to try again")
	}
	return err
}

func revocationFaults(r *notify.Revocation) []notify.Fault {
	switch {
	case (r.User == "") == (r.TokenID == ""):
		return []notify.Fault{{Detail: "must hold exactly one of user and jti"}}
	case r.User != "" && r.Before.IsZero():
		return []notify.Fault{{Pointer: "/issued_before", Detail: "is required with user"}}
	case r.User != "" && r.Issuer != "":
		return []notify.Fault{{Pointer: "/issuer", Detail: "goes with jti, not with user"}}
	case r.Before.After(time.Now().Add(notify.Leeway)): // it could not be taken back
		return []notify.Fault{{Pointer: "/issued_before", Detail: "must not be in the future"}}
	case r.TokenID != "" && !r.Before.IsZero():
		return []notify.Fault{{Pointer: "/issued_before", Detail: "goes with user, not with jti"}}
	}
	return nil
}

// revocable returns the name of the issuer whose tokens by revokes if it names
// issuer. Whether there is such an issuer shows only to those who may revoke its
// tokens.
func (s *Service) revocable(by *notify.Principal, issuer string) (string, error) {
	switch {
	case issuer == "" && by.Issuer != nil:
		return by.Issuer.Name, nil
	case by.Bound() != nil && issuer != by.Issuer.Name:
		return "", notify.Errorf(notify.ErrScope, "the token's issuer may revoke its own tokens alone")
	case s.opts.Issuers == nil:
		return issuer, nil
	case issuer == "":
		if only := s.opts.Issuers.OnlyIssuer(); only != nil {
			return only.Name, nil
		}
		return "", notify.Invalid(notify.Fault{Pointer: "/issuer", Detail: "is required: there are several issuers, and each may have given this jti"})
	case s.opts.Issuers.Issuer(issuer) == nil:
		return "", notify.Invalid(notify.Fault{Pointer: "/issuer", Detail: "is no issuer whose tokens are accepted here"})
	}
	return issuer, nil
}

// Connections returns the open connections of u on all nodes, oldest first. Its error
// is of kind ErrScope if by may not administer such a user, and ErrUnavailable if a
// node could not be asked.
func (s *Service) Connections(ctx context.Context, by notify.Principal, u notify.UserID) ([]notify.Connection, error) {
	if err := by.MayAdminister(u); err != nil {
		return nil, err
	}
	all, err := s.opts.Peers.Connections(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
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

// Revoked reports whether the token of p is revoked. It is fast: every request
// asks.
func (s *Service) Revoked(p notify.Principal) bool { return s.opts.Store.Revoked(p) }

// refused returns how a connection must end whose token was accepted and is not any
// more, since it was revoked or its issuer withdrawn.
func (s *Service) refused(p notify.Principal) (why notify.Close, yes bool) {
	if why, yes = p.Issuer.Withdrawn(); yes {
		return why, true
	}
	return notify.CloseRevoked, s.Revoked(p)
}
