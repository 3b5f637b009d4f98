package notify

import "time"

// MaxTokenLifetime is for how long a token issued now can be good: what is
// accepted as its lifetime, and twice the leeway between clocks.
const MaxTokenLifetime = 31*24*time.Hour + time.Minute

// Revocation refuses tokens from the moment it is applied: those of a user that
// were issued before a time or do not say when they were, or the one token with
// an ID. It is kept until the last token that it can concern has expired.
type Revocation struct {
	User   UserID    // with Before
	Before time.Time // a token whose iat is this very moment stays good

	TokenID string // the jti; instead of User and Before
	Issuer  string // of the token with that ID, by name; empty: any
}

// Concerns reports whether r refuses the token of p.
func (r Revocation) Concerns(p Principal) bool {
	if r.TokenID != "" {
		return r.TokenID == p.TokenID && r.IsOf(p.Issuer)
	}
	return r.User == p.User && p.Issued.Before(r.Before)
}

// IsOf reports whether r concerns tokens of i by their IDs: two issuers may give
// the same ID to different tokens.
func (r Revocation) IsOf(i *Issuer) bool {
	return r.Issuer == "" || i != nil && i.Name == r.Issuer
}

// MaxTokenIDBytes is how long a token's jti may be.
const MaxTokenIDBytes = 256

// TicketLifetime is for how long a ticket can be redeemed.
const TicketLifetime = 30 * time.Second

// Ticket lets whoever bears it connect once as a principal, within
// TicketLifetime. The journal has its hash alone.
type Ticket struct {
	Hash      [32]byte // SHA-256 of what the bearer shows
	Principal Principal
}

// Redemption uses a ticket up. Its Verdict has the ticket's principal, or
// ErrTokenInvalid if there is no such ticket, any more or yet.
type Redemption struct {
	Hash [32]byte
}
