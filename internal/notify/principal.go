package notify

import (
	"slices"
	"time"
)

// Principal is the identity and the permissions of a valid token, API key or webhook
// signature.
type Principal struct {
	User   UserID  // empty: an API key or a webhook
	Issuer *Issuer // of the token; nil: an API key or a webhook

	// Name identifies the principal in idempotency keys, limits and logs. It is "user:"
	// and the ID for a user, and begins with "key:" or "webhook:" for others.
	Name string

	Scopes  []Scope
	Topics  []TopicPattern // topics whose notifications the user receives
	Since   time.Time      // notifications to everyone from before are hidden; zero: none are
	Expires time.Time      // exp of the token; zero: it does not expire

	// TopicsIgnored is the number of topics of the token that are not in Topics, because
	// they are malformed, too many, or not allowed for the issuer.
	TopicsIgnored int

	// Used by Revocation.
	Issued  time.Time // iat of the token; zero: it has none
	TokenID string    // jti of the token; empty: it has none
}

// Leeway is the time for which a token is accepted after its expiry, since the clocks of its
// issuer and of this node may differ.
const Leeway = 30 * time.Second

// Scope is a permission that a token grants.
type Scope string

// The scopes. Receiving needs none.
const (
	ScopePublish   Scope = "notify:publish"   // to users and topics
	ScopeBroadcast Scope = "notify:broadcast" // to everyone
	ScopeAdmin     Scope = "notify:admin"     // connections, revocations, recall
	ScopeTopics    Scope = "notify:topics"    // members of topics
)

// MayPublish returns an error of kind ErrScope unless p has a scope for publishing.
func (p Principal) MayPublish() error {
	if p.May(ScopePublish) == nil || p.May(ScopeBroadcast) == nil {
		return nil
	}
	return p.May(ScopePublish)
}

// IsBackend reports whether p is a backend: it has no user, or has any scope.
func (p Principal) IsBackend() bool {
	return p.User == "" || p.May(ScopePublish) == nil || p.May(ScopeBroadcast) == nil || p.May(ScopeAdmin) == nil || p.May(ScopeTopics) == nil
}

// May returns an error of kind ErrScope unless p has the scope.
func (p Principal) May(s Scope) error {
	if slices.Contains(p.Scopes, s) {
		return nil
	}
	return &Error{Kind: ErrScope, Detail: "the scope " + string(s) + " is required, and the token does not have it"}
}

// Bound returns the users and topics that p may act on.
func (p Principal) Bound() *Bound {
	if p.Issuer == nil {
		return nil
	}
	return p.Issuer.Bound
}

// MayReach returns an error of kind ErrScope unless p may publish to all recipients of d.
func (p Principal) MayReach(d *Draft) error {
	b := p.Bound()
	if b == nil {
		return nil
	}
	for i, u := range d.Except {
		if !b.HasUser(u) {
			return Errorf(ErrScope, "tokens of this issuer may name only users that begin with %s, and /to/except/%d does not", b.Prefix, i)
		}
	}
	if d.All {
		return Errorf(ErrScope, "tokens of this issuer may publish only to users that begin with %s, not to everyone", b.Prefix)
	}
	for i, u := range d.Users {
		if !b.HasUser(u) {
			return Errorf(ErrScope, "tokens of this issuer may publish only to users that begin with %s, and /to/users/%d does not", b.Prefix, i)
		}
	}
	for i, t := range d.Topics {
		if !b.HasTopic(t) {
			return Errorf(ErrScope, "/to/topics/%d is not one of the topics that tokens of this issuer may publish to", i)
		}
	}
	return nil
}

// MayAdminister returns an error of kind ErrScope unless p may list and close the connections
// of u and revoke its tokens. The user need not exist.
func (p Principal) MayAdminister(u UserID) error {
	if b := p.Bound(); !b.HasUser(u) {
		return Errorf(ErrScope, "tokens of this issuer may act only on users that begin with %s", b.Prefix)
	}
	return nil
}
