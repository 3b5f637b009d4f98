package hub

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// memberTopics is when a user with open connections hears topics as a member, in addition to those
// of the tokens. Topics that the user has left are among them: changes of what was heard before are
// still delivered, and new notifications are not.
type memberTopics struct {
	hearings map[notify.TopicPattern]notify.Hearing
	version  uint64 // grows with every change
}

// has reports whether p is among the topics, current or left.
func (m *memberTopics) has(p notify.TopicPattern) bool {
	if m == nil {
		return false
	}
	_, ok := m.hearings[p]
	return ok
}

// MembersVersion returns the version of what the hub knows of u's memberships: see SetMembers.
func (h *Hub) MembersVersion(u notify.UserID) uint64 {
	s := h.shardOf(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[u]; m != nil {
		return m.version
	}
	return 0
}

// SetMembers sets the memberships of u as the store has them. They must have been read after
// MembersVersion returned version, while a connection of u was registered. SetMembers reports false,
// and does nothing, if ChangeMembers was called for u since then: the caller reads them again.
func (h *Hub) SetMembers(u notify.UserID, version uint64, topics map[notify.Topic]notify.Hearing) bool {
	s := h.shardOf(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.members[u]
	switch {
	case was != nil && was.version != version:
		return false
	case len(s.users[u]) == 0 || was == nil && len(topics) == 0:
		return true
	}
	is := &memberTopics{hearings: make(map[notify.TopicPattern]notify.Hearing, len(topics)), version: version}
	for t, hearing := range topics {
		is.hearings[notify.TopicPattern(t)] = hearing
	}
	s.members[u] = is
	for _, c := range s.users[u] {
		for p := range is.hearings {
			if !was.has(p) && !c.namesLocked(p) {
				s.addTopicLocked(c, p)
			}
		}
		if was == nil {
			continue
		}
		for p := range was.hearings {
			if !is.has(p) && !c.namesLocked(p) {
				s.removeTopicLocked(c, p)
			}
		}
	}
	return true
}

// ChangeMembers makes a user join or leave a topic at a sequence: its connections receive what is
// delivered to the topic from now on, or do so no longer. The delivering goroutine calls it, in the
// journal's order.
func (h *Hub) ChangeMembers(of notify.Membership, joined bool, at notify.Sequence) {
	s := h.shardOf(of.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	conns := s.users[of.User]
	if len(conns) == 0 {
		return
	}
	m := s.members[of.User]
	if m == nil {
		m = &memberTopics{hearings: map[notify.TopicPattern]notify.Hearing{}}
		s.members[of.User] = m
	}
	p := notify.TopicPattern(of.Topic)
	known := m.has(p)
	m.hearings[p] = changed(m.hearings[p], joined, at)
	m.version++
	if known {
		return
	}
	for _, c := range conns {
		if !c.namesLocked(p) {
			s.addTopicLocked(c, p)
		}
	}
}

// changed returns a copy of a hearing with a change, unless it contains the change already.
func changed(was notify.Hearing, joined bool, at notify.Sequence) notify.Hearing {
	is := slices.Clone(was)
	last := len(is) - 1
	switch {
	case joined && !was.Current():
		return append(is, notify.Span{From: at, To: notify.Endless})
	case !joined && was.Current() && at > was[last].From:
		is[last].To = at - 1
	}
	return is
}

// namesLocked reports whether p is one of the topics of c's token.
func (c *Conn) namesLocked(p notify.TopicPattern) bool {
	return slices.Contains(c.principal.topics(), p)
}

// hasLeftLocked reports whether c, which is in the list of p, does not receive new notifications
// of p, since its user has left it and its token does not name it.
func (c *Conn) hasLeftLocked(p notify.TopicPattern) bool {
	m := c.shard.members[c.principal.user]
	return m.has(p) && !m.hearings[p].Current() && !c.namesLocked(p)
}

// subscribedLocked returns the topics in whose lists c is.
func (c *Conn) subscribedLocked() []notify.TopicPattern {
	topics := c.principal.topics()
	m := c.shard.members[c.principal.user]
	if m == nil {
		return topics
	}
	all := slices.Clone(topics)
	for p := range m.hearings {
		if !slices.Contains(topics, p) {
			all = append(all, p)
		}
	}
	return all
}

// Holding is topics that have the notification at a sequence.
type Holding struct {
	Topics []notify.Topic
	At     notify.Sequence
}

// holdsLocked reports whether c receives the notification of h through one of its topics.
func (c *Conn) holdsLocked(h Holding) bool {
	if len(h.Topics) == 0 {
		return false
	}
	if _, receives := notify.FirstMatch(c.principal.topics(), h.Topics); receives {
		return true
	}
	m := c.shard.members[c.principal.user]
	return m != nil && slices.ContainsFunc(h.Topics, func(t notify.Topic) bool {
		return m.hearings[notify.TopicPattern(t)].Has(h.At)
	})
}
