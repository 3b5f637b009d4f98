package notify

import (
	"math"
	"slices"
	"strconv"
)

// MaxMemberTopics is the maximum number of topics of which a user is a member.
const MaxMemberTopics = 1_000

// MaxMemberChanges is the maximum number of users that one Members entry names.
const MaxMemberChanges = 1_000

// Membership says that a user hears a topic as if its tokens named it.
type Membership struct {
	User  UserID
	Topic Topic
}

// Hearing is when a user hears a topic as a member: spans of sequences, which ascend.
type Hearing []Span

// Span is the sequences from From to To, both included.
type Span struct{ From, To Sequence }

// Endless is the To of the last Span of a current member.
const Endless = Sequence(math.MaxUint64 - 1)

// Current reports whether the user is a member now.
func (h Hearing) Current() bool { return len(h) > 0 && h[len(h)-1].To == Endless }

// Has reports whether the user hears what is published at seq.
func (h Hearing) Has(seq Sequence) bool {
	return slices.ContainsFunc(h, func(s Span) bool { return s.From <= seq && seq <= s.To })
}

// Members adds and removes members of a topic. They hear what is published after this entry,
// and keep what they have heard when they leave. The Verdict has the numbers of users who have
// joined and left; its error is of kind ErrInvalid if a user who is added has too many topics.
type Members struct {
	Topic       Topic
	Add, Remove []UserID // distinct, together at least one
	MaxBytes    int64    // as in Publish; used if Add is not empty
}

// UserTopics makes a user a member of some topics, and of no others within a bound. If the user
// has too many topics then, together with those outside the bound, the error of the Verdict is of
// kind ErrInvalid. See Members.
type UserTopics struct {
	User     UserID
	Topics   []Topic // distinct
	Within   *Bound  // memberships in other topics stay; nil: no restriction
	MaxBytes int64   // as in Publish; used if Topics is not empty
}

// MemberChange says who has joined and left a topic at a sequence. It has effect on open
// connections at once.
type MemberChange struct {
	Sequence     Sequence
	Joined, Left []Membership
}

// Check returns the faults of a request for e, and removes repeated names from it.
func (e *Members) Check() []Fault {
	var c checker
	eachOf(&c, "/add", e.Add, MaxMemberChanges, userFault)
	eachOf(&c, "/remove", e.Remove, MaxMemberChanges, userFault)
	e.Add, e.Remove = unique(e.Add), unique(e.Remove)
	switch n := len(e.Add) + len(e.Remove); {
	case len(c.faults) > 0:
	case n == 0:
		c.fault("", "must name at least one user in add or remove")
	case n > MaxMemberChanges:
		c.fault("", "must name at most %d users in add and remove together", MaxMemberChanges)
	}
	adds := make(map[UserID]bool, len(e.Add))
	for _, u := range e.Add {
		adds[u] = true
	}
	for i, u := range e.Remove {
		if adds[u] {
			c.fault("/remove/"+strconv.Itoa(i), "must not name a user who is also in add")
			break
		}
	}
	return c.faults
}

// Check returns the faults of a request for e, and removes repeated names from it.
func (e *UserTopics) Check() []Fault {
	var c checker
	eachOf(&c, "/topics", e.Topics, MaxMemberTopics, topicFault)
	e.Topics = unique(e.Topics)
	return c.faults
}

// unique returns names without repetitions, in their order.
func unique[T ~string](names []T) []T {
	seen := make(map[T]bool, len(names))
	return slices.DeleteFunc(names, func(name T) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}

func (Members) entry()    {}
func (UserTopics) entry() {}

func (MemberChange) change() {}

func (e *Members) fault() string {
	switch {
	case len(e.Add)+len(e.Remove) == 0:
		return "a change of no members"
	case len(e.Add)+len(e.Remove) > MaxMemberChanges:
		return "a change of too many members"
	case topicFault(string(e.Topic)) != "":
		return "a change of the members of an invalid topic"
	}
	return namesFault("a member", append(append([]UserID{}, e.Add...), e.Remove...), MaxMemberChanges)
}

func (e *UserTopics) fault() string {
	if fault := nameLength("the user of topics", e.User); fault != "" {
		return fault
	}
	for _, t := range e.Topics {
		if topicFault(string(t)) != "" {
			return "a member of an invalid topic"
		}
	}
	return namesFault("a topic", e.Topics, MaxMemberTopics)
}
