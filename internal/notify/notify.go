package notify

import (
	"bytes"
	"time"
)

// UserID is the name of a user: the subject of a token, and a recipient of notifications. It
// has 1 to 256 bytes of UTF-8 without white space or control characters, and is not "." or
// "..". ParseUser checks a string.
type UserID string

// Sequence is the position of an entry in the journal. The first is 1, and 0 is before the
// first. It orders all events of a user, because they all result from entries.
type Sequence uint64

// Priority is the urgency of a notification. Clients receive it; it does not change the order
// of delivery.
type Priority string

// The priorities; PriorityNormal is the default.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
)

// Audience is the kind of recipients of a notification.
type Audience string

// The audiences.
const (
	AudienceUser  Audience = "user"  // users by name
	AudienceTopic Audience = "topic" // users whose tokens have one of its topics
	AudienceAll   Audience = "all"   // everyone
)

// Draft is the decoded body of POST /notify. Check reports whether it is valid.
type Draft struct {
	// The recipients: exactly one of these is set. Repeated names count once.
	Users  []UserID
	Topics []Topic // names, not patterns
	All    bool
	Except []UserID // with Topics or All: users who do not receive it

	Type      string
	Title     string
	Body      string
	Data      []byte        // a JSON object as it was sent, or nil
	URL       string        // the target of a click; empty: none
	Actions   []Action      // further targets; nil: none
	TTL       time.Duration // from the time of delivery; 0: until retention removes it
	Priority  Priority
	Ephemeral bool
	Silent    bool // it is never pushed
	Receipt   bool // the first write to a device of each user is recorded

	CollapseKey string    // it replaces the previous notification with this key; empty: none
	DeliverAt   time.Time // zero or in the past: it is delivered immediately

	// Source is the compacted body, from which the fingerprint of an idempotency key is
	// computed.
	Source []byte
}

// Notification is a published notification with its position in the journal. Live delivery
// and replay both use it.
type Notification struct {
	Sequence Sequence // 0 if it is ephemeral, so that no cursor refers to it
	Receipt  bool     // the first write to a device of each user is recorded
	By       string   // name of the principal that published it; empty if it was read from a history
	Trace    *Trace   // of the request that published it; nil if that is not recorded, or if it was read from a history
	Time     time.Time
	Expires  time.Time // zero: it does not expire
	Audience Audience
	Users    []UserID // recipients, with AudienceUser; nil if it was read from a history
	Topics   []Topic  // topics, with AudienceTopic; nil if it was read from a history
	Except   []UserID // users who do not receive it; nil if it was read from a history

	// OtherTopics are those to which it is delivered separately, because it replaces another
	// notification there.
	OtherTopics []Topic

	// CollapseKey identifies the notification that this one replaces, separately in the
	// history of each user, of each topic and of everyone.
	CollapseKey string

	// Content has the members that do not depend on the journal, as JSON without the
	// braces. The first members are id, type and priority. Package wire writes and completes it.
	Content []byte

	View
}

// Trace is a span of a recorded trace, by the IDs of W3C Trace Context. Spans on other nodes become
// its children.
type Trace struct {
	ID   [16]byte
	Span [8]byte
}

// View is the part of a notification that depends on its reader.
type View struct {
	Topic    Topic  // the topic by which the reader receives it, with AudienceTopic
	Replaces string // ID of the notification that it replaces; empty: none

	Seen, Read, Archived time.Time // zero: it is not
}

// Unread reports whether the notification is neither read nor archived.
func (v *View) Unread() bool { return v.Read.IsZero() && v.Archived.IsZero() }

// ID returns the ID of n, a UUID.
func (n *Notification) ID() string {
	id, _ := cutMember(n.Content, `"id":"`)
	return string(id)
}

// Type returns the type of n.
func (n *Notification) Type() string {
	name, _ := n.typeAndPriority()
	return string(name)
}

// Priority returns the priority of n.
func (n *Notification) Priority() Priority {
	_, priority := n.typeAndPriority()
	return Priority(priority)
}

// typeAndPriority reads the beginning of the Content, whatever its length.
func (n *Notification) typeAndPriority() (name, priority []byte) {
	_, rest := cutMember(n.Content, `"id":"`)
	name, rest = cutMember(rest, `,"type":"`)
	priority, _ = cutMember(rest, `,"priority":"`)
	return name, priority
}

// cutMember returns the value of the first member of content, and the rest after it. The value
// is a string without escapes. Both are empty if content does not begin with opening, the
// member's name and the quotes.
func cutMember(content []byte, opening string) (value, rest []byte) {
	if len(content) < len(opening) || string(content[:len(opening)]) != opening {
		return nil, nil
	}
	value, rest, _ = bytes.Cut(content[len(opening):], []byte(`"`))
	return value, rest
}

// Expired reports whether n has expired at the time now.
func (n *Notification) Expired(now time.Time) bool {
	return !n.Expires.IsZero() && !now.Before(n.Expires)
}

// Receipt is the answer to a publish.
type Receipt struct {
	ID         string // of the notification, a UUID
	Recipients int    // number of users; 0 for topics and everyone, whose readers are not counted
	Duplicate  bool   // the idempotency key was used before, and this is the first answer
}
