package notify

import (
	"slices"
	"time"
)

// Principal is who presented a valid token: whom a connection hears for, and
// what it may do.
type Principal struct {
	User UserID // empty for a backend that is no user

	// Name tells principals apart where more than users act: in idempotency
	// keys, limits and logs. A user's is "user:" and the ID.
	Name string

	Scopes  []Scope
	Topics  []TopicPattern // what it hears of besides its own
	Since   time.Time      // broadcasts from before are hidden; zero: none are
	Expires time.Time      // of the token; zero: never, as of an API key

	// What a Revocation goes by.
	Issued  time.Time // the token's iat; zero: it does not say
	TokenID string    // its jti; empty: it has none
}

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

// May returns an error of kind ErrScope unless p has the scope.
func (p Principal) May(s Scope) error {
	if slices.Contains(p.Scopes, s) {
		return nil
	}
	return &Error{Kind: ErrScope, Detail: "the token lacks the scope " + string(s)}
}
