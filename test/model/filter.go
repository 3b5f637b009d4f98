package model

import (
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// List returns the notifications of r that match f at a time, newest first.
func (m *Model) List(r notify.Reader, f *notify.Filter, now time.Time) []Item {
	all := slices.DeleteFunc(m.Inbox(r), func(it Item) bool { return it.Expired(now) || !m.Matches(r, f, &it.Notification) })
	slices.Reverse(all)
	return all
}

// Counts returns the numbers of notifications of r by their read state.
func (m *Model) Counts(r notify.Reader) notify.Counts {
	return m.CountMatching(r, &notify.Filter{}, notify.ByNothing).Counts
}

// CountMatching returns the numbers of notifications of r that match f, whatever its State, in
// total and in groups.
func (m *Model) CountMatching(r notify.Reader, f *notify.Filter, by notify.Grouping) notify.GroupedCounts {
	c := notify.GroupedCounts{By: map[string]notify.Counts{}}
	anyState := *f
	anyState.State = notify.StateAll
	for _, it := range m.Inbox(r) {
		var one notify.Counts
		if it.Unread() {
			one.Unread = 1
		}
		if it.Seen.IsZero() {
			one.Unseen = 1
		}
		if one == (notify.Counts{}) || !m.Matches(r, &anyState, &it.Notification) {
			continue
		}
		c.Counts = c.Plus(one)
		for _, group := range m.groupsOf(r, &it, &anyState, by) {
			c.By[group] = c.By[group].Plus(one)
		}
	}
	return c
}

// groupsOf returns the groups that count a notification which r receives.
func (m *Model) groupsOf(r notify.Reader, it *Item, f *notify.Filter, by notify.Grouping) (groups []string) {
	switch by {
	case notify.ByType:
		return []string{it.Type()}
	case notify.ByPriority:
		return []string{string(it.Priority())}
	case notify.ByTopic:
		for _, t := range it.Topics {
			if f.MatchesTopic(t) && m.hears(r, t, it.Sequence) {
				groups = append(groups, string(t))
			}
		}
	case notify.ByNothing:
	}
	return groups
}

// Matches reports whether f selects n for r.
func (m *Model) Matches(r notify.Reader, f *notify.Filter, n *notify.Notification) bool {
	return f.Matches(n, func(t notify.Topic) bool { return m.hears(r, t, n.Sequence) })
}
