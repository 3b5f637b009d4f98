package notify

import (
	"strings"
	"sync/atomic"
)

// Issuer is a configured issuer of tokens. All principals of its tokens refer to the same
// Issuer, so that it takes one pointer per connection. If the configuration changes, a new
// Issuer is made, and the old one is withdrawn.
type Issuer struct {
	Name    string   // the iss of its tokens; AnyIssuer if they may have any
	Version [16]byte // hash of its configuration, the same on every node and after a restart
	Bound   *Bound   // nil: its tokens may act on every user and topic

	withdrawn atomic.Pointer[Close]
}

// AnyIssuer is the name of the issuer of the settings if none is configured.
const AnyIssuer = "*"

// Withdraw marks i as no longer accepted. The connections of its tokens must be closed with
// why.
func (i *Issuer) Withdraw(why Close) { i.withdrawn.Store(&why) }

// Withdrawn reports whether i was withdrawn, and the reason with which its connections must be
// closed. A nil Issuer, which API keys and webhooks have, is never withdrawn.
func (i *Issuer) Withdrawn() (why Close, yes bool) {
	if i == nil {
		return Close{}, false
	}
	if w := i.withdrawn.Load(); w != nil {
		return *w, true
	}
	return Close{}, false
}

// Bound restricts the users and topics that the tokens of an issuer may act on: publish to,
// list, disconnect, revoke and recall. A nil Bound does not restrict.
type Bound struct {
	Prefix   string         // of the users; not empty
	Topics   []TopicPattern // allowed topics
	AnyTopic bool           // all topics are allowed; Topics is not used
}

// HasUser reports whether u is within b.
func (b *Bound) HasUser(u UserID) bool {
	return b == nil || strings.HasPrefix(string(u), b.Prefix)
}

// HasTopic reports whether t is within b.
func (b *Bound) HasTopic(t Topic) bool {
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

// Reaches reports whether all recipients of n are within b.
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
		if !b.HasTopic(t) {
			return false
		}
	}
	return n.Audience != AudienceAll
}
