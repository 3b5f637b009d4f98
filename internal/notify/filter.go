package notify

import (
	"slices"
	"strings"
)

// TypePattern is the type of notifications, or a pattern such as "comment.*", which matches all
// types that begin with "comment.".
type TypePattern string

// Matches reports whether p matches a type.
func (p TypePattern) Matches(name string) bool {
	if prefix, ok := strings.CutSuffix(string(p), "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return name == string(p)
}

// ParseTypePattern returns s as a TypePattern, or an error of kind ErrInvalid with the rule that
// s breaks.
func ParseTypePattern(s string) (TypePattern, error) {
	stem := strings.TrimSuffix(s, patternRest)
	switch {
	case strings.Contains(stem, "*"):
		return "", Errorf(ErrInvalid, "a type must have a * only at its end, after a dot")
	case stem == "":
		return "", Errorf(ErrInvalid, "a type must not be empty")
	}
	if why := typeFault(stem); why != "" {
		return "", Errorf(ErrInvalid, "a type %s", why)
	}
	return TypePattern(s), nil
}

// Filter selects notifications of an inbox. A notification matches if it matches each of the
// fields: one of the values of a list, or any value if the list is empty. The zero Filter
// selects what is in the inbox.
type Filter struct {
	State      InboxState
	Types      []TypePattern
	Topics     []TopicPattern
	Priorities []Priority
}

// Narrows reports whether f selects by more than the state.
func (f *Filter) Narrows() bool {
	return len(f.Types) > 0 || len(f.Topics) > 0 || len(f.Priorities) > 0
}

// Matches reports whether f selects n, with the View of its reader. A topic counts only if the
// reader hears it: a notification to several topics must not reveal the others.
func (f *Filter) Matches(n *Notification, hears func(Topic) bool) bool {
	if !f.State.Has(&n.View) {
		return false
	}
	if len(f.Types) > 0 || len(f.Priorities) > 0 {
		name, priority := n.typeAndPriority()
		if !f.matchesType(string(name)) || !f.matchesPriority(Priority(priority)) {
			return false
		}
	}
	return len(f.Topics) == 0 || slices.ContainsFunc(n.Topics, func(t Topic) bool { return f.MatchesTopic(t) && hears(t) })
}

func (f *Filter) matchesType(name string) bool {
	return len(f.Types) == 0 || slices.ContainsFunc(f.Types, func(p TypePattern) bool { return p.Matches(name) })
}

func (f *Filter) matchesPriority(p Priority) bool {
	return len(f.Priorities) == 0 || slices.Contains(f.Priorities, p)
}

// MatchesTopic reports whether f selects what its reader receives through a topic.
func (f *Filter) MatchesTopic(t Topic) bool {
	return len(f.Topics) == 0 || slices.ContainsFunc(f.Topics, func(p TopicPattern) bool { return p.Matches(t) })
}
