package hub

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// muting is what the preferences of a user with open connections hide, since a sequence.
type muting struct {
	rules *notify.Muting // nil: nothing
	since notify.Sequence
}

// SetMuting sets what the preferences of c's user hide since a sequence, as the store has them; later
// changes arrive by ChangeMuting. c must be registered, and must not have read its history. durable
// is the last durable sequence: up to there, c will read what the preferences show.
func (c *Conn) SetMuting(rules *notify.Muting, since, durable notify.Sequence) {
	s, u := c.shard, c.principal.user
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.phase == ended || since == 0 {
		return
	}
	if was, ok := s.muting[u]; !ok || was.since < since {
		s.muting[u] = muting{rules, since}
	}
	if since <= durable {
		c.seen = max(c.seen, since)
	}
}

// ChangeMuting sets what the preferences of a user hide from a sequence on, and ends the connections
// that have received the inbox as it was before: when they return, they read all of it again. The
// delivering goroutine calls it, in the journal's order.
func (h *Hub) ChangeMuting(u notify.UserID, rules *notify.Muting, at notify.Sequence) {
	s := h.shardOf(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.users[u]) { // backward: endLocked removes c
		if c.seen < at {
			s.endLocked(c, notify.ClosePreferences)
		}
	}
	if was := s.muting[u]; len(s.users[u]) > 0 && was.since < at {
		s.muting[u] = muting{rules, at}
	}
}

// Mutes reports whether the preferences of a user with connections on this node hide notifications.
// Counting the others takes long then.
func (h *Hub) Mutes(u notify.UserID) bool {
	s := h.shardOf(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.muting[u].rules != nil
}

// hidesLocked reports whether the preferences of c's user hide the notification of e. It must be
// called for each connection, since tokens may name different topics.
func (c *Conn) hidesLocked(e *Event) bool {
	if len(c.shard.muting) == 0 {
		return false
	}
	rules := c.shard.muting[c.principal.user].rules
	if rules == nil {
		return false
	}
	n, ok := e.Content.(Notification)
	return ok && rules.Hides(n.Notification, func(t notify.Topic) bool { return c.hearsTopicLocked(t, e.Sequence) })
}

// hearsTopicLocked reports whether c receives what is published to a topic at a sequence; 0: now.
func (c *Conn) hearsTopicLocked(t notify.Topic, at notify.Sequence) bool {
	if _, ok := notify.FirstMatch(c.principal.topics(), []notify.Topic{t}); ok {
		return true
	}
	m := c.shard.members[c.principal.user]
	if m == nil {
		return false
	}
	hearing := m.hearings[notify.TopicPattern(t)]
	return at == 0 && hearing.Current() || hearing.Has(at)
}
