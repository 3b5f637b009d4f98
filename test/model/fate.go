package model

import (
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Fate is what became of a notification for a user.
type Fate struct {
	Status     notify.Status
	Reason     notify.Reason
	At         time.Time // when it was removed
	ReplacedBy string
}

// note records the fate of a notification that leaves a history at a time.
func (m *Model) note(it *Item, at time.Time, f Fate) {
	if f.Status != notify.StatusRecalled && it.Expired(at) {
		f = Fate{Status: notify.StatusExpired}
	}
	f.At = at
	m.noteFate(it.ID(), it.Owner, f)
}

func (m *Model) noteFate(id, owner string, f Fate) {
	if m.fates[id] == nil {
		m.fates[id] = map[string]Fate{}
	}
	if !strings.HasPrefix(owner, "u:") {
		owner = "" // readers of a shared notification have it as long as any history has it
	}
	m.fates[id][owner] = f
}

// Fate returns what became of the notification with an ID for u; ok is false if u is none of its
// users.
func (m *Model) Fate(id string, u notify.UserID, now time.Time) (f Fate, ok bool) {
	muted := Fate{Status: notify.StatusMuted, Reason: notify.ReasonExcept}
	for _, e := range m.deferred {
		switch {
		case e.ID != id:
		case slices.Contains(e.Except, u):
			return muted, true
		default:
			return Fate{Status: notify.StatusDeferred}, e.Audience != notify.AudienceUser || slices.Contains(e.Users, u)
		}
	}
	for _, it := range m.items {
		switch {
		case it.ID() != id || strings.HasPrefix(it.Owner, "u:") && it.Owner != "u:"+string(u):
		case slices.Contains(it.Except, u):
			return muted, true
		case it.Expired(now):
			return Fate{Status: notify.StatusExpired, At: it.Expires}, true
		default:
			if rule, ok := m.ruleFor(u, it, m.tracedTopics(u, it)); ok && rule.Level == notify.LevelOff {
				return Fate{Status: notify.StatusMuted, Reason: notify.ReasonPreferences}, true
			}
			return Fate{Status: notify.StatusKept}, true
		}
	}
	if f, ok = m.fates[id]["u:"+string(u)]; !ok {
		f, ok = m.fates[id][""]
	}
	return f, ok
}

// tracedTopics returns which topics of an item count for u in a trace: those of which it is a member, or
// all if it is a member of none, since its tokens are not known.
func (m *Model) tracedTopics(u notify.UserID, it *Item) func(notify.Topic) bool {
	member := func(t notify.Topic) bool { return m.hears(notify.Reader{User: u}, t, it.Sequence) }
	if slices.ContainsFunc(it.Topics, member) {
		return member
	}
	return func(notify.Topic) bool { return true }
}
