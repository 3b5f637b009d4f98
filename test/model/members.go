package model

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// isMember reports whether a user is a member of a topic now.
func (m *Model) isMember(of notify.Membership) bool {
	spans := m.members[of]
	return len(spans) > 0 && spans[len(spans)-1].to == 0
}

// TopicsOf returns the topics of which a user is a member, in order.
func (m *Model) TopicsOf(u notify.UserID) (topics []notify.Topic) {
	for of := range m.members {
		if of.User == u && m.isMember(of) {
			topics = append(topics, of.Topic)
		}
	}
	slices.Sort(topics)
	return topics
}

// MembersOf returns the members of a topic, in order.
func (m *Model) MembersOf(t notify.Topic) (users []notify.UserID) {
	for of := range m.members {
		if of.Topic == t && m.isMember(of) {
			users = append(users, of.User)
		}
	}
	slices.Sort(users)
	return users
}

// heard reports whether r heard what a topic published at a sequence: its token names the topic, or
// it was a member then.
func (m *Model) heard(r notify.Reader, t notify.Topic, seq notify.Sequence) bool {
	return m.hearsIn(r, t, seq, func(span) bool { return true })
}

// hears is heard, without the former memberships that were settled.
func (m *Model) hears(r notify.Reader, t notify.Topic, seq notify.Sequence) bool {
	return m.hearsIn(r, t, seq, func(s span) bool { return !s.settled })
}

func (m *Model) hearsIn(r notify.Reader, t notify.Topic, seq notify.Sequence, counts func(span) bool) bool {
	if _, ok := notify.FirstMatch(r.Topics, []notify.Topic{t}); ok {
		return true
	}
	return slices.ContainsFunc(m.members[notify.Membership{User: r.User, Topic: t}], func(s span) bool {
		return s.has(seq) && counts(s)
	})
}

func (m *Model) changeMembers(seq notify.Sequence, e notify.Members) (added, removed int, err error) {
	for _, u := range e.Add {
		if len(m.TopicsOf(u)) >= notify.MaxMemberTopics && !m.isMember(notify.Membership{User: u, Topic: e.Topic}) {
			return 0, 0, notify.ErrInvalid
		}
	}
	for _, u := range e.Remove {
		removed += m.leave(seq, notify.Membership{User: u, Topic: e.Topic})
	}
	for _, u := range e.Add {
		added += m.enter(seq, notify.Membership{User: u, Topic: e.Topic})
	}
	return added, removed, nil
}

func (m *Model) setTopics(seq notify.Sequence, e notify.UserTopics) (added, removed int) {
	for _, t := range m.TopicsOf(e.User) {
		if !slices.Contains(e.Topics, t) && e.Within.HasTopic(t) {
			removed += m.leave(seq, notify.Membership{User: e.User, Topic: t})
		}
	}
	for _, t := range e.Topics {
		added += m.enter(seq, notify.Membership{User: e.User, Topic: t})
	}
	return added, removed
}

func (m *Model) enter(seq notify.Sequence, of notify.Membership) int {
	if m.isMember(of) {
		return 0
	}
	m.members[of] = append(m.members[of], span{from: seq})
	return 1
}

// leave ends a membership. It settles the memberships of the user in the topic from which the topic has
// no notification any more: these do not make the topic one by which the user hears a notification that
// other topics still have.
func (m *Model) leave(seq notify.Sequence, of notify.Membership) int {
	if !m.isMember(of) {
		return 0
	}
	spans := m.members[of]
	spans[len(spans)-1].to = seq
	for i, s := range spans {
		spans[i].settled = s.settled || !slices.ContainsFunc(m.items, func(it *Item) bool {
			return it.Owner == "t:"+string(of.Topic) && s.has(it.Sequence)
		})
	}
	return 1
}
