package notify

import (
	"slices"
	"strings"
)

// Topic is something that users hear of if their tokens name it. It has the
// form of a UserID, without a "*".
type Topic string

// TopicPattern is what a token names: a topic, or "project.*", which stands for
// all topics that begin with "project.".
type TopicPattern string

// patternRest is what a pattern ends with that stands for more than one topic.
const patternRest = ".*"

// Prefix returns what the topics begin with that p stands for; ok is false if
// p is the name of one.
func (p TopicPattern) Prefix() (prefix string, ok bool) {
	prefix, ok = strings.CutSuffix(string(p), "*")
	return prefix, ok
}

// Matches reports whether p stands for t.
func (p TopicPattern) Matches(t Topic) bool {
	if prefix, ok := p.Prefix(); ok {
		return strings.HasPrefix(string(t), prefix)
	}
	return string(t) == string(p)
}

// Covers reports whether p stands for every topic that q stands for.
func (p TopicPattern) Covers(q TopicPattern) bool {
	if prefix, ok := p.Prefix(); ok {
		return strings.HasPrefix(string(q), prefix)
	}
	return q == p
}

// Heard returns the first of topics that one of patterns stands for.
func Heard(patterns []TopicPattern, topics []Topic) (t Topic, ok bool) {
	for _, t := range topics {
		if slices.ContainsFunc(patterns, func(p TopicPattern) bool { return p.Matches(t) }) {
			return t, true
		}
	}
	return "", false
}

// ParsePattern returns s as a TopicPattern, or an error of kind ErrInvalid that
// says why it is none.
func ParsePattern(s string) (TopicPattern, error) {
	if len(s) > MaxUserBytes {
		return "", Errorf(ErrInvalid, "a topic must have at most %d bytes", MaxUserBytes)
	}
	fault := topicFault
	stem, many := strings.CutSuffix(s, patternRest)
	if many {
		fault = stemFault
	}
	if why := fault(stem); why != "" {
		return "", Errorf(ErrInvalid, "a topic %s", why)
	}
	return TopicPattern(s), nil
}

func topicFault(s string) string {
	if strings.Contains(s, "*") {
		return "must not have a *"
	}
	return userFault(s)
}

// stemFault is topicFault for the part of a pattern before its end. No path names
// a pattern.
func stemFault(s string) string {
	if strings.Contains(s, "*") {
		return "must not have a *"
	}
	return nameFault(s)
}
