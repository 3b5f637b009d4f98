package notify

import "time"

// MaxTokenLifetime is the longest time for which a token issued now can be accepted: the
// maximum lifetime of a token, and twice the leeway for differing clocks.
const MaxTokenLifetime = 31*24*time.Hour + time.Minute

// Revocation makes tokens invalid as soon as it is applied: all tokens of a user that were
// issued before a time or have no time of issue, or the token with an ID. It is stored
// until all of these tokens have expired.
type Revocation struct {
	User   UserID    // set together with Before
	Before time.Time // a token whose iat is equal to Before stays valid

	TokenID string // the jti; set instead of User and Before
	Issuer  string // name of the issuer of the token with that ID; empty: any issuer
}

// Concerns reports whether r revokes the token of p.
func (r Revocation) Concerns(p Principal) bool {
	if r.TokenID != "" {
		return r.TokenID == p.TokenID && r.IsOf(p.Issuer)
	}
	return r.User == p.User && p.Issued.Before(r.Before)
}

// IsOf reports whether a revocation by ID includes the tokens of i. Two issuers may use the
// same ID for different tokens.
func (r Revocation) IsOf(i *Issuer) bool {
	return r.Issuer == "" || i != nil && i.Name == r.Issuer
}

// MaxTokenIDBytes is the maximum length of the jti of a token.
const MaxTokenIDBytes = 256

// TicketLifetime is the time within which a ticket can be redeemed.
const TicketLifetime = 30 * time.Second

// Ticket allows its bearer to connect once as a principal, within TicketLifetime. The
// journal has only the hash of a ticket.
type Ticket struct {
	Hash      [32]byte // SHA-256 of the ticket
	Principal Principal
}

// Redemption redeems a ticket, which cannot be used afterwards. Its Verdict has the principal
// of the ticket, or an error of kind ErrTokenInvalid if the ticket is unknown, used or
// expired.
type Redemption struct {
	Hash [32]byte
}
