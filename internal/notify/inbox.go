package notify

import "time"

// Verb is what a Mark does to notifications.
type Verb string

// The verbs. Reading and archiving a notification imply that it was seen. Unread takes an
// archived notification back into the inbox; it stays seen.
const (
	VerbSeen    Verb = "seen"
	VerbRead    Verb = "read"
	VerbUnread  Verb = "unread"
	VerbArchive Verb = "archive"
)

// Mark changes the read state of notifications for a user: those with IDs, or all in the
// inbox of Reader up to the sequence Through. An entry changes a bounded number of
// notifications. If there are more, Verdict.More is set, and the next Mark continues from
// Verdict.Next.
type Mark struct {
	Reader  Reader
	Verb    Verb
	IDs     []string     // IDs that are not in the inbox are ignored
	Through Sequence     // used if IDs is nil
	From    MarkPosition // the Verdict.Next of the previous Mark with the same Through
	Keep    int          // minimum number of changes of state that a history keeps
}

// MarkPosition is the position that a Mark has reached. Only package store reads its fields.
type MarkPosition struct {
	Task  string
	After Sequence
}

// Recall removes a notification from all inboxes, or a deferred one before its delivery. The
// Verdict has an error of kind ErrNotFound if there is no notification with this ID.
type Recall struct {
	ID     string
	Within *Bound // notifications with a recipient outside of it are not found; nil: no restriction
	Keep   int    // see Mark
}

// Release delivers a deferred notification, unless it was recalled. It does nothing before
// the time of delivery.
type Release struct {
	Ref Deferred
}

// Deferred identifies a deferred notification.
type Deferred struct {
	At       time.Time // the time of delivery
	Sequence Sequence  // of its Publish
}

// Reader identifies an inbox. It has the notifications to the user, those to the topics, and
// those to everyone from Since on.
type Reader struct {
	User   UserID
	Since  time.Time
	Topics []TopicPattern
}

// Reader returns the Reader of p's inbox.
func (p *Principal) Reader() Reader {
	return Reader{User: p.User, Since: p.Since, Topics: p.Topics}
}

// InboxState selects notifications of an inbox by their read state.
type InboxState string

// The states.
const (
	StateUnread   InboxState = "unread"
	StateRead     InboxState = "read" // and not archived
	StateArchived InboxState = "archived"
	StateAll      InboxState = "all"
	StateInbox    InboxState = "" // not archived
)

// Has reports whether a notification with the view v is in state s.
func (s InboxState) Has(v *View) bool {
	switch s {
	case StateUnread:
		return v.Unread()
	case StateRead:
		return !v.Read.IsZero() && v.Archived.IsZero()
	case StateArchived:
		return !v.Archived.IsZero()
	case StateAll:
		return true
	case StateInbox:
		return v.Archived.IsZero()
	}
	return false
}

// Counts are numbers of notifications in an inbox, by their read state.
type Counts struct {
	Unread int // neither read nor archived
	Unseen int // not even seen
}

// Plus returns the sums of c and o.
func (c Counts) Plus(o Counts) Counts {
	return Counts{Unread: c.Unread + o.Unread, Unseen: c.Unseen + o.Unseen}
}

// Grouping is the property of notifications by which their numbers are divided.
type Grouping string

// The groupings.
const (
	ByNothing  Grouping = ""
	ByType     Grouping = "type"
	ByTopic    Grouping = "topic" // without a topic: only in the total
	ByPriority Grouping = "priority"
)

// GroupedCounts are Counts in total and by the value of a property. A value without unread
// notifications is absent.
type GroupedCounts struct {
	Counts
	By map[string]Counts
}

// InboxChange is a change of read state, or the removal of notifications from inboxes.
// Recalled are those that were recalled, replaced or evicted. Readers receive it in the
// journal's order, like notifications.
type InboxChange struct {
	Sequence Sequence
	To       Readers

	// IDs of notifications.
	Seen, Read, Unread, Archived, Recalled []string

	// Replaced means that the notification at Sequence, which is delivered next, replaces
	// the notifications in Recalled.
	Replaced bool

	// Evicted means that a history was full when the notification at Sequence was added,
	// and that Recalled were removed from it. That notification is delivered before this
	// change. The change is not stored.
	Evicted bool

	// HeldBy are topics that still have the notifications that were evicted from another
	// topic. Readers of one of them do not receive this change.
	HeldBy []Topic

	// EvictedAt is the sequence of the notification that HeldBy have.
	EvictedAt Sequence
}

// Size returns the number of IDs.
func (c *InboxChange) Size() int {
	return len(c.Seen) + len(c.Read) + len(c.Unread) + len(c.Archived) + len(c.Recalled)
}

// User returns the user if c is for exactly one user; otherwise ok is false. The connections
// of one user receive their Counts with c. For several readers, a Recount follows.
func (c *InboxChange) User() (u UserID, ok bool) {
	if c.To.All || len(c.To.Topics) > 0 || len(c.To.Users) != 1 {
		return "", false
	}
	return c.To.Users[0], true
}

// Recount means that the Counts of readers have changed in a way that they cannot derive from
// events: notifications have expired, or were evicted, replaced or
// recalled.
type Recount struct {
	To Readers
}

// Readers are the recipients of a change: users by name, or the readers of any of the topics,
// or everyone.
type Readers struct {
	Users  []UserID
	Topics []Topic
	All    bool
	Except []UserID // of the readers of Topics, or of everyone: users who are left out
}
