package model

import (
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// Preferences returns the preferences of a user.
func (m *Model) Preferences(u notify.UserID) notify.Preferences { return m.preferences[u] }

// hides reports whether the preferences of r's user hide an item that r reads: the first rule that
// matches it says off.
func (m *Model) hides(r notify.Reader, it *Item) bool {
	rule, ok := m.ruleFor(r.User, it, func(t notify.Topic) bool { return m.hears(r, t, it.Sequence) })
	return ok && rule.Level == notify.LevelOff
}

// ruleFor returns the first rule of a user that matches an item.
func (m *Model) ruleFor(u notify.UserID, it *Item, hears func(notify.Topic) bool) (rule notify.PreferenceRule, ok bool) {
	for _, rule := range m.preferences[u].Rules {
		byType := rule.Type == "" || matches(string(rule.Type), it.Type())
		byTopic := rule.Topic == "" || slices.ContainsFunc(it.Topics, func(t notify.Topic) bool { return hears(t) && matches(string(rule.Topic), string(t)) })
		if byType && byTopic {
			return rule, true
		}
	}
	return rule, false
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}
