package notify

import "time"

// Verb is what a Mark does to notifications.
type Verb string

// The verbs. Unread takes an archived notification back into the inbox.
const (
	VerbRead    Verb = "read"
	VerbUnread  Verb = "unread"
	VerbArchive Verb = "archive"
)

// Mark changes the state that notifications have for a user: those with IDs,
// or all that Reader finds up to Through. It changes a bounded number;
// Verdict.More says that there are more, to be marked from Verdict.Next on.
type Mark struct {
	Reader  Reader
	Verb    Verb
	IDs     []string     // of which those that the user does not have are ignored
	Through Sequence     // instead of IDs
	From    MarkPosition // how far an earlier Mark with the same Through has come
	Keep    int          // how many changes of state a history keeps, at least
}

// MarkPosition is the place up to which a Mark has marked. Only the machine that applies
// entries reads it.
type MarkPosition struct {
	Task  string
	After Sequence
}

// Recall takes a notification back, or keeps one from being released. The
// error of its Verdict is of kind ErrNotFound if there is none with this ID.
type Recall struct {
	ID     string
	Within *Bound // what reaches anybody beyond it is not found; nil: everyone is within
	Keep   int    // as in Mark
}

// Release delivers what a Publish has deferred, if it is still there. Nothing
// is released before its time.
type Release struct {
	Ref Deferred
}

// Deferred is the place of what is to be delivered later.
type Deferred struct {
	At       time.Time // when it is due
	Sequence Sequence  // of its Publish
}

// Reader says whose inbox is read, and what is in it besides the user's own:
// what was told to one of Topics, and broadcasts from Since on.
type Reader struct {
	User   UserID
	Since  time.Time
	Topics []TopicPattern
}

// Reader returns whose inbox p reads.
func (p *Principal) Reader() Reader {
	return Reader{User: p.User, Since: p.Since, Topics: p.Topics}
}

// InboxState says which notifications of an inbox are listed.
type InboxState string

// The states.
const (
	StateUnread   InboxState = "unread"
	StateRead     InboxState = "read" // and not archived
	StateArchived InboxState = "archived"
	StateAll      InboxState = "all"
	StateInbox    InboxState = "" // what is not archived
)

// Has reports whether a notification that is found as v is in state s.
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

// InboxChange says that notifications have another state for a user, or are no longer
// in an inbox: Recalled are those that were recalled, replaced or evicted. It has a
// place in the one order of events that its readers receive.
type InboxChange struct {
	Sequence Sequence
	To       Readers

	// IDs of notifications.
	Read, Unread, Archived, Recalled []string

	// Replaced says that the notification at Sequence, which comes next, has taken
	// the place of what was recalled.
	Replaced bool

	// Evicted says that a history was full when the notification at Sequence came,
	// which was delivered before this change, and dropped Recalled. The change is
	// stored nowhere.
	Evicted bool

	// HeldBy are topics that still have what was evicted from another topic: readers
	// of one of them are not told.
	HeldBy []Topic
}

// User returns the one user whom c concerns; ok is false if it concerns several or
// is shared. Connections of one user receive the unread count with c; for all
// others a Recount follows.
func (c *InboxChange) User() (u UserID, ok bool) {
	if c.To.All || len(c.To.Topics) > 0 || len(c.To.Users) != 1 {
		return "", false
	}
	return c.To.Users[0], true
}

// Recount says that readers have another number of unread notifications than
// they can tell by what they heard: some have expired, or were dropped, replaced or
// recalled.
type Recount struct {
	To Readers
}

// Readers are those who are told: users by name, or else those who hear one of
// the topics, or everyone.
type Readers struct {
	Users  []UserID
	Topics []Topic
	All    bool
}
