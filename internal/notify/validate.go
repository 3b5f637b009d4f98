package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Validate returns nil if e is an entry that can be applied, and otherwise an error of
// kind ErrNotApplied that says what is wrong with it. The service appends valid entries
// only. An invalid one was written by another program, by a version with a fault, or by
// a newer version, and changes nothing on any node.
//
// Validate checks what the state relies on, not what clients may ask for: that is up to
// Draft.Check and the service. Its rules are part of the state machine: see Generation.
func Validate(e Entry) error {
	fault := faultOf(e)
	if fault == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotApplied, fault)
}

func faultOf(e Entry) string {
	switch e := e.(type) {
	case Publish:
		return e.fault()
	case Mark:
		return e.fault()
	case Delivered:
		return e.fault()
	case Erase:
		return e.fault()
	case Members:
		return e.fault()
	case UserTopics:
		return e.fault()
	case UserPreferences:
		return e.fault()
	case Recall:
		return nameLength("the ID of a recall", e.ID)
	case Revocation:
		return e.fault()
	case Release, Cleanup, Generation, Ticket, Redemption, Witness:
		return ""
	case Unknown:
		return "this version cannot read the entry: " + e.Reason
	case nil:
		return "there is no entry"
	}
	return fmt.Sprintf("unknown type of entry: %T", e)
}

func (e *Publish) fault() string {
	users, topics := len(e.Users) > 0, len(e.Topics) > 0
	switch {
	case e.Audience == AudienceUser && users && !topics:
	case e.Audience == AudienceTopic && topics && !users:
	case e.Audience == AudienceAll && !users && !topics:
	default:
		return fmt.Sprintf("a publish to %q with %d users and %d topics", e.Audience, len(e.Users), len(e.Topics))
	}
	switch {
	case len(e.CollapseKey) > 4*MaxCollapseKey:
		return fmt.Sprintf("a collapse key of %d bytes; at most %d are allowed", len(e.CollapseKey), 4*MaxCollapseKey)
	case e.TTL < 0:
		return fmt.Sprintf("a time to live of %v", e.TTL)
	case !isStorable(e.DeliverAt):
		return fmt.Sprintf("a publish to be delivered at %v", e.DeliverAt)
	}
	if fault := nameLength("the ID of a notification", e.ID); fault != "" {
		return fault
	}
	if fault := namesFault("a user", e.Users, MaxUsers); fault != "" {
		return fault
	}
	if len(e.Except) > 0 && users {
		return "a publish to users that leaves users out"
	}
	if fault := namesFault("a user who is left out", e.Except, MaxExcept); fault != "" {
		return fault
	}
	for _, t := range e.Topics {
		if strings.Contains(string(t), "*") {
			return fmt.Sprintf("a publish to the pattern %q", t)
		}
	}
	return namesFault("a topic", e.Topics, MaxTopics)
}

func (e *Mark) fault() string {
	switch e.Verb {
	case VerbSeen, VerbRead, VerbUnread, VerbArchive:
	default:
		return fmt.Sprintf("a mark with the verb %q", e.Verb)
	}
	if fault := nameLength("the user of a mark", e.Reader.User); fault != "" {
		return fault
	}
	for _, p := range e.Reader.Topics {
		if _, err := ParsePattern(string(p)); err != nil {
			return fmt.Sprintf("a mark by a reader of the topic %q", p)
		}
	}
	if len(e.IDs) > MaxMarks {
		return fmt.Sprintf("a mark of %d IDs; at most %d are allowed", len(e.IDs), MaxMarks)
	}
	return ""
}

func (r *Revocation) fault() string {
	switch {
	case (r.User == "") == (r.TokenID == ""):
		return "a revocation must have either a user or the ID of a token"
	case (r.User == "") != r.Before.IsZero():
		return "a revocation must have a time if it has a user, and only then"
	case r.Issuer != "" && r.TokenID == "":
		return "a revocation of an issuer's token must have the ID of the token"
	case !isStorable(r.Before):
		return fmt.Sprintf("a revocation of tokens from before %v", r.Before)
	case r.User != "":
		return nameLength("the user of a revocation", r.User)
	}
	return ""
}

// namesFault checks that names are distinct, not too many, and of allowed lengths.
func namesFault[T ~string](what string, names []T, most int) string {
	if len(names) > most {
		return fmt.Sprintf("%d times %s; at most %d are allowed", len(names), what, most)
	}
	for _, name := range names {
		if fault := nameLength(what, name); fault != "" {
			return fault
		}
	}
	if len(names) < 2 {
		return ""
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	for i, name := range sorted[1:] {
		if name == sorted[i] {
			return fmt.Sprintf("%s, %q, twice", what, name)
		}
	}
	return ""
}

// nameLength checks the length of a name in a key.
func nameLength[T ~string](what string, name T) string {
	if len(name) < 1 || len(name) > MaxUserBytes {
		return fmt.Sprintf("%s has %d bytes; 1 to %d are allowed", what, len(name), MaxUserBytes)
	}
	return ""
}

// maxEntrySeconds is the end of the year 9999, in seconds since 1970. Adding any lifetime
// to a time before it does not overflow.
const maxEntrySeconds = 253_402_300_800

// isStorable reports whether t is a time that the state can keep; the zero time is.
func isStorable(t time.Time) bool { return t.IsZero() || IsEntryTime(t) }

// StorableTime returns t, or the earliest time that the state can keep if t is before it:
// a request may name any time of RFC 3339, from the year 0.
func StorableTime(t time.Time) time.Time {
	if earliest := time.UnixMilli(1).UTC(); !t.IsZero() && t.Before(earliest) {
		return earliest
	}
	return t
}

// IsEntryTime reports whether t can be the time of an entry: in the years 1970 to 9999.
func IsEntryTime(t time.Time) bool {
	return 0 <= t.Unix() && t.Unix() < maxEntrySeconds && t.UnixMilli() > 0
}
