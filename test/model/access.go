package model

import (
	"maps"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Access is the state of tickets and revocations.
type Access struct {
	tickets map[[32]byte]ticket
	users   map[notify.UserID]revocation
	tokens  map[token]revocation
}

type token struct{ issuer, id string }

type ticket struct {
	at        time.Time
	principal notify.Principal
}

// revocation refuses tokens that were issued before a time. It is kept until another time.
type revocation struct{ before, until time.Time }

func newAccess() Access {
	return Access{
		tickets: map[[32]byte]ticket{},
		users:   map[notify.UserID]revocation{},
		tokens:  map[token]revocation{},
	}
}

func (a *Access) redeem(at time.Time, e notify.Redemption) (*notify.Principal, error) {
	t, ok := a.tickets[e.Hash]
	delete(a.tickets, e.Hash)
	if !ok || at.Sub(t.at) >= notify.TicketLifetime {
		return nil, notify.ErrTokenInvalid
	}
	return &t.principal, nil
}

func (a *Access) revoke(at time.Time, e notify.Revocation) {
	end := at
	if e.Before.After(end) {
		end = e.Before
	}
	r := revocation{e.Before, end.Add(notify.MaxTokenLifetime)}
	if e.TokenID != "" {
		t := token{e.Issuer, e.TokenID}
		a.tokens[t] = a.tokens[t].latest(r)
		return
	}
	a.users[e.User] = a.users[e.User].latest(r)
}

// latest returns the later times of both.
func (r revocation) latest(o revocation) revocation {
	if r.before.After(o.before) {
		o.before = r.before
	}
	if r.until.After(o.until) {
		o.until = r.until
	}
	return o
}

func (a *Access) cleanUp(at time.Time) {
	maps.DeleteFunc(a.tickets, func(_ [32]byte, t ticket) bool { return at.Sub(t.at) >= notify.TicketLifetime })
	maps.DeleteFunc(a.users, func(_ notify.UserID, r revocation) bool { return !r.until.After(at) })
	maps.DeleteFunc(a.tokens, func(_ token, r revocation) bool { return !r.until.After(at) })
}

// Revoked reports whether the token of p is revoked.
func (a *Access) Revoked(p notify.Principal) bool {
	_, byAny := a.tokens[token{"", p.TokenID}]
	byToken := false
	if p.Issuer != nil {
		_, byToken = a.tokens[token{p.Issuer.Name, p.TokenID}]
	}
	r, byUser := a.users[p.User]
	return byAny || byToken || byUser && p.Issued.Before(r.before)
}

// RevokedBefore returns the time before which tokens of u are revoked; zero: none are.
func (a *Access) RevokedBefore(u notify.UserID) time.Time { return a.users[u].before }
