package notify

import (
	"fmt"
	"slices"
	"strings"
)

// Preferences say how a user is notified. The zero Preferences hide nothing.
type Preferences struct {
	Rules []PreferenceRule // the first one that matches a notification applies
	Quiet *Quiet           // nil: there are no quiet hours
}

// PreferenceRule gives a level to the notifications that match both of its patterns.
type PreferenceRule struct {
	Type  TypePattern  // empty: every type
	Topic TopicPattern // one of the topics by which the user receives it; empty: with and without topics
	Level Level
}

// Level is how a user is notified of a notification.
type Level string

// The levels.
const (
	LevelAlert  Level = "alert"  // in every way; the level of what no rule matches
	LevelSilent Level = "silent" // it is never pushed
	LevelOff    Level = "off"    // not at all, as if it had not been published to the user
)

// Quiet is a time of each day at which pushes wait, except those with PriorityHigh.
type Quiet struct {
	From, To TimeOfDay // different; if To is earlier, the quiet hours end on the next day
	Zone     string    // name in the IANA time zone database
}

// Limits on preferences.
const (
	MaxPreferenceRules = 100
	MaxZoneBytes       = 64
)

// UserPreferences replaces the preferences of a user.
type UserPreferences struct {
	User UserID
	Preferences
	MaxBytes int64 // as in Publish; used if there are preferences to be kept
}

// IsZero reports whether p has neither rules nor quiet hours.
func (p *Preferences) IsZero() bool { return len(p.Rules) == 0 && p.Quiet == nil }

// Equal reports whether p and o have the same rules and quiet hours.
func (p *Preferences) Equal(o *Preferences) bool {
	same := p.Quiet == nil && o.Quiet == nil || p.Quiet != nil && o.Quiet != nil && *p.Quiet == *o.Quiet
	return same && slices.Equal(p.Rules, o.Rules)
}

func (UserPreferences) entry() {}

func (e *UserPreferences) fault() string {
	if len(e.Rules) > MaxPreferenceRules {
		return fmt.Sprintf("preferences with %d rules; at most %d are allowed", len(e.Rules), MaxPreferenceRules)
	}
	for i := range e.Rules {
		if fault := e.Rules[i].fault(); fault != "" {
			return fault
		}
	}
	if fault := e.Quiet.fault(); fault != "" {
		return fault
	}
	return nameLength("the user of preferences", e.User)
}

func (r *PreferenceRule) fault() string {
	if r.Type != "" {
		if _, err := ParseTypePattern(string(r.Type)); err != nil {
			return fmt.Sprintf("a rule for the type %q", r.Type)
		}
	}
	if r.Topic != "" {
		if _, err := ParsePattern(string(r.Topic)); err != nil {
			return fmt.Sprintf("a rule for the topic %q", r.Topic)
		}
	}
	if _, err := ParseLevel(string(r.Level)); err != nil {
		return fmt.Sprintf("a rule with the level %q", r.Level)
	}
	return ""
}

// fault does not look the zone up: nodes may have different databases.
func (q *Quiet) fault() string {
	switch {
	case q == nil:
		return ""
	case q.From >= minutesPerDay || q.To >= minutesPerDay || q.From == q.To:
		return fmt.Sprintf("quiet hours from minute %d to minute %d", q.From, q.To)
	case q.Zone == "" || len(q.Zone) > MaxZoneBytes || strings.ContainsFunc(q.Zone, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "quiet hours in a zone without a valid name"
	}
	return ""
}

// ParseLevel returns s as a Level, or an error of kind ErrInvalid.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case LevelOff, LevelSilent, LevelAlert:
		return l, nil
	}
	return "", Errorf(ErrInvalid, "a level must be off, silent or alert")
}
