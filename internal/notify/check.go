package notify

import (
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a notification may be at most. Characters are Unicode code points.
const (
	MaxUserBytes       = 256
	MaxUsers           = 1_000
	MaxTopics          = 10
	MaxCollapseKey     = 128 // characters
	MaxMarks           = 100 // IDs in one mark
	MaxTypeLength      = 128
	MaxTitleCharacters = 256
	MaxBodyCharacters  = 4_096
	MaxDataBytes       = 16 << 10 // encoded
	MaxKeyLength       = 255
	MaxBatch           = 1_000
	MaxBatchRecipients = 10_000
)

// ParseUser returns s as a UserID, or an error of kind ErrInvalid that says
// why it is none.
func ParseUser(s string) (UserID, error) {
	if why := userFault(s); why != "" {
		return "", Errorf(ErrInvalid, "a user %s", why)
	}
	return UserID(s), nil
}

// ParseKey returns the idempotency key that a caller sent, bare or quoted, or
// an error of kind ErrMalformed.
func ParseKey(s string) (string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if len(s) < 1 || len(s) > MaxKeyLength {
		return "", Errorf(ErrMalformed, "an idempotency key has 1 to %d characters", MaxKeyLength)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", Errorf(ErrMalformed, "an idempotency key is printable ASCII")
		}
	}
	return s, nil
}

// MaxDeferral is how far ahead a notification may be published.
const MaxDeferral = 366 * 24 * time.Hour

// Check returns what is wrong with d at now, nothing if it may be published by
// one who has the scope. No notification may outlive retention.
func (d *Draft) Check(now time.Time, retention time.Duration) []Fault {
	var c checker
	c.to(d)
	c.typeName(d.Type)
	c.text("/collapse_key", d.CollapseKey, MaxCollapseKey)
	c.when(d, now)
	c.text("/title", d.Title, MaxTitleCharacters)
	c.text("/body", d.Body, MaxBodyCharacters)
	if len(d.Data) > MaxDataBytes {
		c.fault("/data", "must have at most %d bytes", MaxDataBytes)
	}
	if d.TTL != 0 && (d.TTL < time.Second || d.TTL > retention) {
		c.fault("/ttl", "must be from 1 to %d seconds", int64(retention/time.Second))
	}
	switch d.Priority {
	case PriorityLow, PriorityNormal, PriorityHigh:
	default:
		c.fault("/priority", "must be low, normal or high")
	}
	return c.faults
}

type checker struct{ faults []Fault }

func (c *checker) to(d *Draft) {
	given := 0
	for _, is := range []bool{len(d.Users) > 0, len(d.Topics) > 0, d.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		c.fault("/to", "must have exactly one of users, topics and all")
	}
	eachOf(c, "/to/users", d.Users, MaxUsers, userFault)
	eachOf(c, "/to/topics", d.Topics, MaxTopics, topicFault)
}

// eachOf looks at names, and tells of the first that is none: one is enough to
// learn from; a thousand are noise.
func eachOf[T ~string](c *checker, pointer string, names []T, most int, faultOf func(string) string) {
	if len(names) > most {
		c.fault(pointer, "must have at most %d items", most)
	}
	for i, name := range names {
		if why := faultOf(string(name)); why != "" {
			c.fault(pointer+"/"+strconv.Itoa(i), "%s", why)
			return
		}
	}
}

// when looks at what depends on time.
func (c *checker) when(d *Draft, now time.Time) {
	switch {
	case d.DeliverAt.IsZero():
	case d.Ephemeral:
		c.fault("/deliver_at", "must be absent from what is ephemeral: that is not kept until then")
	case d.DeliverAt.Sub(now) > MaxDeferral:
		c.fault("/deliver_at", "must be at most %d days ahead", int64(MaxDeferral.Hours())/24)
	}
}

func (c *checker) fault(pointer, format string, args ...any) {
	c.faults = append(c.faults, Fault{pointer, fmt.Sprintf(format, args...)})
}

func (c *checker) typeName(s string) {
	switch {
	case s == "":
		c.fault("/type", "is required")
	case len(s) > MaxTypeLength:
		c.fault("/type", "must have at most %d characters", MaxTypeLength)
	}
	for i := range len(s) {
		if !isTypeByte(s[i]) {
			c.fault("/type", "must be of A-Z a-z 0-9 . _ -")
			return
		}
	}
}

func isTypeByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '.' || b == '_' || b == '-'
}

func (c *checker) text(pointer, s string, most int) {
	if len(s) > most && utf8.RuneCountInString(s) > most {
		c.fault(pointer, "must have at most %d characters", most)
	}
}

// userFault says why s is no user, empty if it is one. A path cannot name "." or
// "..": URLs resolve them, escaped or not.
func userFault(s string) string {
	if s == "." || s == ".." {
		return `must not be "." or "..", which no URL can name`
	}
	return nameFault(s)
}

func nameFault(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case len(s) > MaxUserBytes:
		return fmt.Sprintf("must have at most %d bytes", MaxUserBytes)
	case !utf8.ValidString(s):
		return "must be UTF-8"
	}
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return "must not have white space or control characters"
		}
	}
	return ""
}
