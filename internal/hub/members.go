package hub

import (
	"cmp"
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

// MembersVersion returns the version of what the hub knows of the memberships of c's user: see
// SetMembers.
func (c *Conn) MembersVersion() uint64 {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if m := c.shard.members[c.principal.user]; m != nil {
		return m.version
	}
	return 0
}

// SetMembers sets the memberships of c's user as the store has them. They must have been read after
// MembersVersion returned version, and c registered before that: while it is, the version grows with
// every change. SetMembers reports false, and does nothing, if ChangeMembers was called for the user
// since then: the caller reads them again.
func (c *Conn) SetMembers(version uint64, topics map[notify.Topic]notify.Hearing) bool {
	s, u := c.shard, c.principal.user
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.members[u]
	switch {
	case c.phase == ended:
		return true
	case was != nil && was.version != version:
		return false
	case was == nil && len(topics) == 0:
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
	if len(m.hearings) > maxMemberTopics {
		s.forgetLeftLocked(conns, m)
	}
}

// Bounds of what is kept for a user while a connection is open, however often topics are joined and
// left: of topics, and of spans of one topic. Beyond them, recalls of what was heard long ago are not
// delivered to open connections.
const (
	maxMemberTopics = 2 * notify.MaxMemberTopics
	maxSpans        = 16
)

// forgetLeftLocked forgets half of the topics that a user has left: those that it left first.
func (s *shard) forgetLeftLocked(conns []*Conn, m *memberTopics) {
	var left []notify.TopicPattern
	for p, hearing := range m.hearings {
		if !hearing.Current() {
			left = append(left, p)
		}
	}
	end := func(p notify.TopicPattern) notify.Sequence { return m.hearings[p][len(m.hearings[p])-1].To }
	slices.SortFunc(left, func(a, b notify.TopicPattern) int { return cmp.Compare(end(a), end(b)) })
	for _, p := range left[:(len(left)+1)/2] {
		delete(m.hearings, p)
		for _, c := range conns {
			if !c.namesLocked(p) {
				s.removeTopicLocked(c, p)
			}
		}
	}
}

// changed returns a copy of a hearing with a change, unless it contains the change already.
func changed(was notify.Hearing, joined bool, at notify.Sequence) notify.Hearing {
	is := slices.Clone(was[max(0, len(was)-maxSpans):])
	last := len(is) - 1
	switch {
	case joined && !was.Current():
		return append(is, notify.Span{From: at, To: notify.Endless})
	case !joined && was.Current() && at > is[last].From:
		is[last].To = at - 1
	}
	return is
}

// namesLocked reports whether p is one of the topics of c's token.
func (c *Conn) namesLocked(p notify.TopicPattern) bool {
	return slices.Contains(c.principal.topics(), p)
}

// ever is the sequence of changes: they concern everybody who has heard a topic at any time.
const ever = notify.Endless

// hearsLocked reports whether c, which is in the list of p, receives what is published to p at a
// sequence. The memberships may be newer than what is being delivered: they were read from the
// store. An ephemeral event has no sequence; current members receive it.
func (c *Conn) hearsLocked(p notify.TopicPattern, at notify.Sequence) bool {
	m := c.shard.members[c.principal.user]
	switch {
	case at == ever || !m.has(p) || c.namesLocked(p):
		return true
	case at == 0:
		return m.hearings[p].Current()
	}
	return m.hearings[p].Has(at)
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
