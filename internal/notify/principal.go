package notify

import (
	"slices"
	"time"
)

// Principal is who presented a valid token: whom a connection hears for, and
// what it may do.
type Principal struct {
	User   UserID  // empty for a backend that is no user
	Issuer *Issuer // of the token; nil: an API key or a webhook

	// Name tells principals apart where more than users act: in idempotency
	// keys, limits and logs. A user's is "user:" and the ID.
	Name string

	Scopes  []Scope
	Topics  []TopicPattern // what it hears of besides its own
	Since   time.Time      // broadcasts from before are hidden; zero: none are
	Expires time.Time      // of the token; zero: never, as of an API key

	// TopicsIgnored counts topics that the token names besides Topics: those that
	// are none, too many, or not for its issuer to give.
	TopicsIgnored int

	// What a Revocation goes by.
	Issued  time.Time // the token's iat; zero: it does not say
	TokenID string    // its jti; empty: it has none
}

// Leeway is how long a token is accepted after its time, since the clocks of its
// issuer and of this node may differ.
const Leeway = 30 * time.Second

// Scope is a permission that a token grants.
type Scope string

// The scopes. Receiving needs none.
const (
	ScopePublish   Scope = "notify:publish"   // to users and topics
	ScopeBroadcast Scope = "notify:broadcast" // to everyone
	ScopeAdmin     Scope = "notify:admin"     // connections, revocations, recall
)

// MayPublish returns an error of kind ErrScope unless p may publish to somebody.
func (p Principal) MayPublish() error {
	if p.May(ScopePublish) == nil || p.May(ScopeBroadcast) == nil {
		return nil
	}
	return p.May(ScopePublish)
}

// IsBackend reports whether p acts for others than itself: it is no user, or has a
// scope to publish or to operate.
func (p Principal) IsBackend() bool {
	return p.User == "" || p.May(ScopePublish) == nil || p.May(ScopeBroadcast) == nil || p.May(ScopeAdmin) == nil
}

// May returns an error of kind ErrScope unless p has the scope.
func (p Principal) May(s Scope) error {
	if slices.Contains(p.Scopes, s) {
		return nil
	}
	return &Error{Kind: ErrScope, Detail: "the token lacks the scope " + string(s)}
}

// Bound returns whom p may act on.
func (p Principal) Bound() *Bound {
	if p.Issuer == nil {
		return nil
	}
	return p.Issuer.Bound
}

// MayReach returns an error of kind ErrScope unless p may publish to all whom d
// names. It says nothing of whether there are others.
func (p Principal) MayReach(d *Draft) error {
	b := p.Bound()
	if b == nil {
		return nil
	}
	if d.All {
		return Errorf(ErrScope, "the token's issuer is for users that begin with %s, and may not publish to everyone", b.Prefix)
	}
	for i, u := range d.Users {
		if !b.HasUser(u) {
			return Errorf(ErrScope, "the token's issuer is for users that begin with %s, and /to/users/%d does not", b.Prefix, i)
		}
	}
	for i, t := range d.Topics {
		if !b.hasTopic(t) {
			return Errorf(ErrScope, "/to/topics/%d is not among the topics that the token's issuer is for", i)
		}
	}
	return nil
}

// MayAdminister returns an error of kind ErrScope unless u is a user whom p may
// list, disconnect and revoke, be there such a user or not.
func (p Principal) MayAdminister(u UserID) error {
	if b := p.Bound(); !b.HasUser(u) {
		return Errorf(ErrScope, "the token's issuer is for users that begin with %s", b.Prefix)
	}
	return nil
}
