package notify

import (
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits on notifications and requests. Characters are Unicode code points.
const (
	MaxUserBytes       = 256
	MaxUsers           = 1_000
	MaxTopics          = 10
	MaxExcept          = 100 // users who do not receive a notification to topics or everyone
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

// ParseUser returns s as a UserID, or an error of kind ErrInvalid with the rule that s
// breaks.
func ParseUser(s string) (UserID, error) {
	if why := userFault(s); why != "" {
		return "", Errorf(ErrInvalid, "a user %s", why)
	}
	return UserID(s), nil
}

// ParseKey returns the idempotency key in s, which may be in double quotes, or an error of
// kind ErrMalformed.
func ParseKey(s string) (string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if len(s) < 1 || len(s) > MaxKeyLength {
		return "", Errorf(ErrMalformed, "an idempotency key must have 1 to %d characters", MaxKeyLength)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", Errorf(ErrMalformed, "an idempotency key must be printable ASCII")
		}
	}
	return s, nil
}

// MaxDeferral is the longest time between a publish and its delivery.
const MaxDeferral = 366 * 24 * time.Hour

// Check returns the faults of d at the time now, none if it is valid. A time to live must not
// exceed retention. Check does not check the scopes of the publisher.
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
	c.target(d)
	if d.Receipt && d.Ephemeral {
		c.fault("/receipt", "must be absent if ephemeral is true: an ephemeral notification is not stored, and neither are receipts")
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
	eachOf(c, "/to/except", d.Except, MaxExcept, userFault)
	switch {
	case d.Except == nil:
	case len(d.Users) > 0:
		c.fault("/to/except", "must be absent with users: leave a user out of /to/users instead")
	case len(d.Except) == 0:
		c.fault("/to/except", "must have 1 to %d items", MaxExcept)
	}
}

// eachOf checks the number of names and each name. It reports only the first invalid name,
// since there may be a thousand.
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

// when checks the time of delivery.
func (c *checker) when(d *Draft, now time.Time) {
	switch {
	case d.DeliverAt.IsZero():
	case d.Ephemeral:
		c.fault("/deliver_at", "must be absent if ephemeral is true: an ephemeral notification is not stored until then")
	case d.DeliverAt.Sub(now) > MaxDeferral:
		c.fault("/deliver_at", "must be at most %d days ahead", int64(MaxDeferral.Hours())/24)
	}
}

func (c *checker) fault(pointer, format string, args ...any) {
	c.faults = append(c.faults, Fault{pointer, fmt.Sprintf(format, args...)})
}

func (c *checker) typeName(s string) {
	if s == "" {
		c.fault("/type", "is required")
	} else if why := typeFault(s); why != "" {
		c.fault("/type", "%s", why)
	}
}

// typeFault returns the rule that s breaks as a type that is not empty, empty if s is valid.
func typeFault(s string) string {
	if len(s) > MaxTypeLength {
		return fmt.Sprintf("must have at most %d characters", MaxTypeLength)
	}
	for i := range len(s) {
		if !isTypeByte(s[i]) {
			return "must have only the characters A-Z a-z 0-9 . _ -"
		}
	}
	return ""
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

// userFault returns the rule that s breaks as a user, empty if s is valid. "." and ".." are
// refused because no URL can contain them as a path segment, not even escaped (RFC 3986,
// section 5.2.4).
func userFault(s string) string {
	if s == "." || s == ".." {
		return `must not be "." or "..", which cannot be part of a URL`
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
