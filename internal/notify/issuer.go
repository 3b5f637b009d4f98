package notify

import (
	"strings"
	"sync/atomic"
)

// Issuer is an issuer of tokens as it is configured. The principals of its tokens
// share one Issuer, so that each costs a connection one pointer. If its
// configuration changes, there is a new Issuer, and the old one is withdrawn.
type Issuer struct {
	Name    string   // what its tokens name; AnyIssuer if they may name any
	Version [16]byte // of its configuration, the same on every node and after a restart
	Bound   *Bound   // nil: its tokens may act on every user and topic

	withdrawn atomic.Pointer[Close]
}

// AnyIssuer is the name of the issuer of the settings if it has no other.
const AnyIssuer = "*"

// Withdraw makes i one whose tokens are not accepted any more. Connections that
// they opened are to end with why.
func (i *Issuer) Withdraw(why Close) { i.withdrawn.Store(&why) }

// Withdrawn returns how the connections of i are to end, if i was withdrawn. A nil
// Issuer, as API keys and webhooks have it, never is.
func (i *Issuer) Withdrawn() (why Close, yes bool) {
	if i == nil {
		return Close{}, false
	}
	if w := i.withdrawn.Load(); w != nil {
		return *w, true
	}
	return Close{}, false
}

// Bound is whom the tokens of an issuer may act on: publish to, list, disconnect,
// revoke and recall. A nil Bound is everyone.
type Bound struct {
	Prefix   string         // of users, not empty
	Topics   []TopicPattern // what stands for the topics
	AnyTopic bool           // instead of Topics
}

// HasUser reports whether u is within b.
func (b *Bound) HasUser(u UserID) bool {
	return b == nil || strings.HasPrefix(string(u), b.Prefix)
}

// hasTopic reports whether t is within b.
func (b *Bound) hasTopic(t Topic) bool {
	if b == nil || b.AnyTopic {
		return true
	}
	for _, p := range b.Topics {
		if p.Matches(t) {
			return true
		}
	}
	return false
}

// Reaches reports whether everybody whom n was told to is within b.
func (b *Bound) Reaches(n *Notification) bool {
	if b == nil {
		return true
	}
	for _, u := range n.Users {
		if !b.HasUser(u) {
			return false
		}
	}
	for _, t := range n.Topics {
		if !b.hasTopic(t) {
			return false
		}
	}
	return n.Audience != AudienceAll
}
