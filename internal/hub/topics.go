package hub

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// subscribeLocked enters c in the lists of the topics of its token, which are
// distinct.
func (s *shard) subscribeLocked(c *Conn) {
	for _, p := range c.holder.topics() {
		s.hearLocked(c, p)
	}
}

// unsubscribeLocked removes c from these lists.
func (s *shard) unsubscribeLocked(c *Conn) {
	for _, p := range c.holder.topics() {
		s.unhearLocked(c, p)
	}
}

// resubscribeLocked replaces the topics that c heard, was, by those of its token. A
// topic that is in both is heard without a break.
func (s *shard) resubscribeLocked(c *Conn, was []notify.TopicPattern) {
	is := c.holder.topics()
	for _, p := range is {
		if !slices.Contains(was, p) {
			s.hearLocked(c, p)
		}
	}
	for _, p := range was {
		if !slices.Contains(is, p) {
			s.unhearLocked(c, p)
		}
	}
}

func (s *shard) hearLocked(c *Conn, p notify.TopicPattern) {
	conns := s.topics[p]
	if len(conns) == 0 {
		s.hub.subscriptions.add(p, s.number)
	}
	s.topics[p] = append(conns, c)
}

func (s *shard) unhearLocked(c *Conn, p notify.TopicPattern) {
	conns := s.topics[p]
	i := slices.Index(conns, c)
	switch last := len(conns) - 1; {
	case i < 0:
	case last == 0:
		delete(s.topics, p)
		s.hub.subscriptions.remove(p, s.number)
	default: // the last takes its place: eachHearerLocked has been there
		conns[i], conns[last] = conns[last], nil
		s.topics[p] = conns[:last]
	}
}

// eachHearerLocked calls do for each connection that hears one of hits, once, with
// the place of the first topic that it hears. do may remove the connection.
func (s *shard) eachHearerLocked(hits []hit, do func(c *Conn, topic int)) {
	var called map[*Conn]bool
	if s.hasSeveral(hits) {
		called = make(map[*Conn]bool)
	}
	for i := range hits {
		if !hits[i].shards.has(s.number) {
			continue
		}
		for _, c := range slices.Backward(s.topics[hits[i].pattern]) { // backward: see unhearLocked
			if called[c] {
				continue
			}
			if called != nil {
				called[c] = true
			}
			do(c, hits[i].topic)
		}
	}
}

// hasSeveral reports whether a connection of s may hear more than one of hits.
func (s *shard) hasSeveral(hits []hit) bool {
	n := 0
	for i := range hits {
		if hits[i].shards.has(s.number) {
			n++
		}
	}
	return n > 1
}
