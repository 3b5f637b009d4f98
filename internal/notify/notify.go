package notify

import (
	"bytes"
	"time"
)

// UserID names a user: the subject of a token and the address of a
// notification. It is 1 to 256 bytes of UTF-8 without white space or control
// characters, and neither "." nor ".."; ParseUser makes one of a string.
type UserID string

// Sequence is the place of an entry in the journal. The first is 1; 0 is the
// place before all. One sequence orders everything that a user can be told.
type Sequence uint64

// Priority says how urgent a notification is. It is passed on to clients and
// does not change the order of delivery.
type Priority string

// The priorities; PriorityNormal is the default.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
)

// Audience says to whom a notification went.
type Audience string

// The audiences.
const (
	AudienceUser  Audience = "user"  // to users by name
	AudienceTopic Audience = "topic" // to those whose tokens name one of its topics
	AudienceAll   Audience = "all"   // to everyone
)

// Draft is a notification as its publisher asks for it: the body of
// POST /notify, decoded. Check says whether it may be published.
type Draft struct {
	// One of these says to whom. What is named twice is told once.
	Users  []UserID
	Topics []Topic // names, no patterns
	All    bool

	Type      string
	Title     string
	Body      string
	Data      []byte        // a JSON object as it was sent, or nil
	TTL       time.Duration // from when it is delivered
	Priority  Priority
	Ephemeral bool

	CollapseKey string    // it takes the place of the one before it with this key; empty: none
	DeliverAt   time.Time // zero, or past: at once

	// Source is the body, compact: what an idempotency key is compared by.
	Source []byte
}

// Notification is what users are told, as the journal settled it. Live
// delivery and replay both start from it.
type Notification struct {
	Sequence Sequence // 0 if ephemeral: such a one has no place to resume from
	Time     time.Time
	Expires  time.Time // zero: never by itself
	Audience Audience
	Users    []UserID // to whom, with AudienceUser; one read from a history does not say
	Topics   []Topic  // likewise, with AudienceTopic

	// CollapseKey is how a newer one finds the one it replaces, for each user,
	// each topic and everyone apart.
	CollapseKey string

	// Content holds the members that do not depend on the journal, as JSON
	// without the braces; the id is the first. Package wire writes and completes
	// it.
	Content []byte

	View
}

// View is how one reader finds a notification.
type View struct {
	Topic    Topic  // by which the reader hears it, with AudienceTopic
	Replaces string // the ID of the one whose place it took; empty: none

	Read, Archived time.Time // zero: it is not
}

// Unread reports whether the reader still has to look at it.
func (v *View) Unread() bool { return v.Read.IsZero() && v.Archived.IsZero() }

// ID returns what n is called, a UUID.
func (n *Notification) ID() string {
	rest, ok := bytes.CutPrefix(n.Content, []byte(`"id":"`))
	if !ok {
		return ""
	}
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

// Expired reports whether n is past its time to live at now.
func (n *Notification) Expired(now time.Time) bool {
	return !n.Expires.IsZero() && !now.Before(n.Expires)
}

// Receipt is the answer to a publish.
type Receipt struct {
	ID         string // the notification's, a UUID
	Recipients int    // 0 for topics and everyone: nobody is counted
	Duplicate  bool   // the idempotency key had been used: this is the first answer
}
