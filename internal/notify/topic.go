package notify

import (
	"slices"
	"strings"
)

// Topic is the name of a topic. Users whose tokens have it receive its notifications. It has
// the form of a UserID, without a "*".
type Topic string

// TopicPattern is a topic, or a pattern such as "project.*", which matches all topics that
// begin with "project.".
type TopicPattern string

// patternRest is the end of a pattern that is not the name of a topic.
const patternRest = ".*"

// Prefix returns the beginning of the topics that p matches; ok is false if p is the name of a
// topic.
func (p TopicPattern) Prefix() (prefix string, ok bool) {
	prefix, ok = strings.CutSuffix(string(p), "*")
	return prefix, ok
}

// Matches reports whether p matches t.
func (p TopicPattern) Matches(t Topic) bool {
	if prefix, ok := p.Prefix(); ok {
		return strings.HasPrefix(string(t), prefix)
	}
	return string(t) == string(p)
}

// Covers reports whether p matches every topic that q matches.
func (p TopicPattern) Covers(q TopicPattern) bool {
	if prefix, ok := p.Prefix(); ok {
		return strings.HasPrefix(string(q), prefix)
	}
	return q == p
}

// FirstMatch returns the first of topics that matches any of patterns.
func FirstMatch(patterns []TopicPattern, topics []Topic) (t Topic, ok bool) {
	for _, t := range topics {
		if slices.ContainsFunc(patterns, func(p TopicPattern) bool { return p.Matches(t) }) {
			return t, true
		}
	}
	return "", false
}

// ParseTopic returns s as a Topic, or an error of kind ErrInvalid with the rule that s breaks.
func ParseTopic(s string) (Topic, error) {
	if why := topicFault(s); why != "" {
		return "", Errorf(ErrInvalid, "a topic %s", why)
	}
	return Topic(s), nil
}

// ParsePattern returns s as a TopicPattern, or an error of kind ErrInvalid with the rule that
// s breaks.
func ParsePattern(s string) (TopicPattern, error) {
	if len(s) > MaxUserBytes {
		return "", Errorf(ErrInvalid, "a topic must have at most %d bytes", MaxUserBytes)
	}
	fault := userFault
	stem, many := strings.CutSuffix(s, patternRest)
	if many {
		fault = nameFault // it allows "." and "..", since patterns are not part of the path of a URL
	}
	if strings.Contains(stem, "*") {
		return "", Errorf(ErrInvalid, "a topic must have a * only at its end, after a dot")
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
