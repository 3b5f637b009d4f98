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

// hears reports whether r hears what a topic publishes at a sequence: its token names the topic,
// or it is a member then.
func (m *Model) hears(r notify.Reader, t notify.Topic, seq notify.Sequence) bool {
	if _, ok := notify.FirstMatch(r.Topics, []notify.Topic{t}); ok {
		return true
	}
	return slices.ContainsFunc(m.members[notify.Membership{User: r.User, Topic: t}], func(s span) bool {
		return s.from < seq && (s.to == 0 || seq < s.to)
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

func (m *Model) leave(seq notify.Sequence, of notify.Membership) int {
	if !m.isMember(of) {
		return 0
	}
	spans := m.members[of]
	spans[len(spans)-1].to = seq
	return 1
}
