package notify

import "time"

// Entry is one step of the journal: a Publish, a Release, a Mark, a Recall, a Cleanup, a
// Generation, a Revocation, a Ticket, a Redemption, Members, UserTopics, UserPreferences, an Erase, Delivered, a
// Witness, or one that is Unknown.
//
// The changes that an entry makes depend only on the entry, its sequence, its time and the
// entries before it. Therefore an entry carries the settings that it is subject to, such
// as how many notifications a history keeps: nodes with different settings still come to
// the same state.
type Entry interface{ entry() }

// Stamped is an entry with its time in the journal. Times never decrease from one entry
// to the next. All nodes apply the same entries with the same times, but each node
// groups them into transactions of its own, so nothing may depend on the groups.
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

// Publish publishes a notification.
type Publish struct {
	By          string // the name of the principal that publishes
	ID          string // of the notification
	Audience    Audience
	Users       []UserID // with AudienceUser: distinct, at least one
	Topics      []Topic  // with AudienceTopic: distinct, at least one
	Except      []UserID // with AudienceTopic or AudienceAll: distinct users who do not receive it
	CollapseKey string   // see Notification
	Content     []byte   // see Notification
	TTL         time.Duration
	Ephemeral   bool      // deliver without storing
	Receipt     bool      // see Notification
	Trace       *Trace    // see Notification
	DeliverAt   time.Time // if later than the entry's own time: store until a Release
	Key         Key       // zero: none
	Keep        int       // maximum of notifications in a history; older ones are evicted

	// MaxBytes is the same as in Cleanup. Records that retention cannot remove are refused
	// once they take half of it.
	MaxBytes int64
}

// Notification returns the notification of e as it is delivered at a sequence and a
// time. An ephemeral one has no sequence.
func (e Publish) Notification(seq Sequence, at time.Time) Notification {
	n := Notification{
		Sequence: seq, Receipt: e.Receipt, By: e.By, Trace: e.Trace, Time: at, Audience: e.Audience, Users: e.Users, Topics: e.Topics, Except: e.Except,
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

// Key makes a publish idempotent: a second publish with the same Name within KeyLifetime
// gets the answer of the first, and stores nothing.
type Key struct {
	Name        [32]byte // KeyOwner of the principal, and a hash of it, the path and the caller's key
	Fingerprint [32]byte // of what is published
}

// KeyLifetime is how long an idempotency key is remembered.
const KeyLifetime = 24 * time.Hour

// Cleanup removes expired records, and notifications beyond retention. It removes a bounded
// number of them; Verdict.More says that there are more to remove.
type Cleanup struct {
	Retention time.Duration // maximum age of a notification
	MaxBytes  int64         // the oldest notifications are removed while the store holds more; 0: no limit
}

// Generation marks a start of the service. Cursors of its own sequence and of those up to
// the next generation carry its ID and are sealed with its Secret.
type Generation struct {
	ID     uint64
	First  Sequence // its own sequence; set when it is applied
	Secret [16]byte

	// Rules is the version of the rules by which this entry and those after it are
	// applied, unless a later version is in force already; 0 changes nothing.
	//
	// The rules are the constants and the code that decide what an entry changes: see
	// package store. A program can apply versions up to RulesVersion. It refuses to go on
	// behind a Generation with a later version, since its state would no longer be that
	// of the other nodes. In a cluster, a new version is therefore written only when all
	// nodes have announced it.
	Rules uint32
}

// RulesVersion is the latest version of the rules that this program can apply.
const RulesVersion = 1

// Unknown is an entry that could not be decoded: of an unknown kind, of a newer version,
// or malformed. Applying it changes nothing. From the first release on, entries of a new
// kind, or with new fields, belong to a new version of the rules. They are written only
// once that is in force, so an Unknown entry changes nothing on the other nodes either.
type Unknown struct {
	Reason  string
	Newer   bool   // it has a kind or a version that a later version of the program may have
	Encoded []byte // as it was found
}

// Verdict is the outcome of applying an entry. A question that only one of several
// requests can win, such as the use of an idempotency key or of a ticket, is decided by
// the order of the entries.
type Verdict struct {
	Sequence  Sequence
	Receipt   Receipt      // of a Publish
	More      bool         // of a Cleanup, Mark or Erase: append it again, with From set to Next or Rest
	Next      MarkPosition // of a Mark
	Rest      string       // of an Erase
	Changed   int          // of a Mark: the number of notifications that have changed
	Principal *Principal   // of a Redemption that succeeded
	Added     int          // of Members and UserTopics: who have joined
	Removed   int          // of Members and UserTopics: who have left

	// Err is nil, or of kind ErrKeyReused, ErrInvalid, ErrTokenInvalid, ErrNotFound, ErrUnavailable,
	// ErrOutcomeUnknown or ErrNotApplied.
	Err error
}

func (Publish) entry()    {}
func (Release) entry()    {}
func (Mark) entry()       {}
func (Recall) entry()     {}
func (Cleanup) entry()    {}
func (Generation) entry() {}
func (Revocation) entry() {}
func (Ticket) entry()     {}
func (Redemption) entry() {}
func (Witness) entry()    {}
func (Unknown) entry()    {}

// Change is an effect of an applied entry on open connections: a *Notification, an
// InboxChange, a Recount, a MemberChange, a MutingChange, an Erased or a Revocation. Changes are
// passed on in the journal's order.
type Change interface{ change() }

func (*Notification) change() {}
func (InboxChange) change()   {}
func (Recount) change()       {}
func (Revocation) change()    {}
