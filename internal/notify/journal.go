package notify

import (
	"context"
	"errors"
	"time"
)

// Journal puts entries in one order and makes them durable. Every node applies
// the same entries in the same order.
type Journal interface {
	// Append puts entries, which must be of one publisher, behind all others of that
	// publisher, next to each other, and returns what applying each came to, once
	// they are durable and applied here. Of an entry whose Verdict.Err is
	// ErrUnavailable nothing was stored; of one whose is ErrOutcomeUnknown it may
	// have been.
	Append(ctx context.Context, entries ...Entry) []Verdict

	// Durable returns the last sequence that a power cut cannot take back.
	// Nothing past it is delivered, replayed or listed.
	Durable() Sequence
}

// ErrNotApplied says that entries could not be applied because of a fault in the
// program, and that they have changed nothing.
var ErrNotApplied = errors.New("entries could not be applied")

// Entry is one step of the journal: a Publish, a Release, a Mark, a Recall, a
// Sweep, a Generation, a Revocation, a Ticket or a Redemption.
// Applying one depends on nothing but the entry, its sequence, its time and
// the entries before it; so it carries the limits that it is subject to.
type Entry interface{ entry() }

// Stamped is an entry with its time in the journal, which is never before the
// time of the entry before it. Nodes see the same entries with the same times,
// but may apply them in groups of other sizes: nothing may depend on those.
type Stamped struct {
	Entry Entry
	Time  time.Time
}

// Stamp returns entries with one time.
func Stamp(at time.Time, entries ...Entry) []Stamped {
	stamped := make([]Stamped, len(entries))
	for i, e := range entries {
		stamped[i] = Stamped{Entry: e, Time: at}
	}
	return stamped
}

// Publish tells users something.
type Publish struct {
	By          string // the name of the principal that publishes
	ID          string // what the notification is to be called
	Audience    Audience
	Users       []UserID // distinct, at least one, with AudienceUser
	Topics      []Topic  // distinct, at least one, with AudienceTopic
	CollapseKey string   // see Notification
	Content     []byte   // see Notification
	TTL         time.Duration
	Ephemeral   bool      // pass on, do not store
	DeliverAt   time.Time // if that is later than the entry: keep until a Release
	Key         Key       // zero: none
	Keep        int       // how many notifications a history keeps: the newest
	MaxBytes    int64     // as of Sweep: what retention cannot remove is refused beyond half of it; 0: no limit
}

// Notification returns what e tells users, if it is applied at a place and a
// time. An ephemeral one has no place.
func (e Publish) Notification(seq Sequence, at time.Time) Notification {
	n := Notification{
		Sequence: seq, Time: at, Audience: e.Audience, Users: e.Users, Topics: e.Topics,
		CollapseKey: e.CollapseKey, Content: e.Content,
	}
	if e.TTL > 0 {
		n.Expires = at.Add(e.TTL)
	}
	if e.Ephemeral {
		n.Sequence = 0
	}
	return n
}

// Key makes a publish idempotent: for KeyLifetime, one that bears a known Name
// is answered as the first was.
type Key struct {
	Name        [32]byte // a hash over principal, path and the caller's key
	Fingerprint [32]byte // of what is published under it
}

// KeyLifetime is for how long an idempotency key is remembered.
const KeyLifetime = 24 * time.Hour

// Sweep removes what is past its time: expired notifications and idempotency
// keys, and those notifications that retention no longer keeps. It removes a
// bounded number; Verdict.More says that there is more to do.
type Sweep struct {
	Retention time.Duration // notifications older than this go
	MaxBytes  int64         // the oldest go while all that is kept takes more; 0: no limit
}

// Generation marks a start of the service: cursors of sequences from here on,
// up to the next generation, bear its ID and are sealed with its Secret.
type Generation struct {
	ID     uint64
	First  Sequence // its own sequence
	Secret [16]byte
}

// Verdict is what applying an entry came to. Whatever may be decided only once
// is decided there.
type Verdict struct {
	Sequence  Sequence
	Receipt   Receipt   // of a Publish
	More      bool      // of a Sweep or Mark: append it again, a Mark from Next
	Next      MarkPlace // of a Mark
	Changed   int       // by a Mark: how many notifications
	Principal Principal // of a Redemption
	Err       error     // ErrKeyReused, ErrTokenInvalid, ErrNotFound, ErrUnavailable, ErrOutcomeUnknown, or nil
}

func (Publish) entry()    {}
func (Release) entry()    {}
func (Mark) entry()       {}
func (Recall) entry()     {}
func (Sweep) entry()      {}
func (Generation) entry() {}
func (Revocation) entry() {}
func (Ticket) entry()     {}
func (Redemption) entry() {}

// Change is what those who are connected should hear of an entry that was
// applied: a *Notification, an InboxChange, a Recount or a Revocation. Changes
// are passed on in the journal's order.
type Change interface{ change() }

func (*Notification) change() {}
func (InboxChange) change()   {}
func (Recount) change()       {}
func (Revocation) change()    {}
