package hub

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// spelling is a topic with all the patterns that stand for it, its name first.
type spelling struct {
	topic    notify.Topic
	patterns []notify.TopicPattern
}

func spelled(topics []notify.Topic) []spelling {
	all := make([]spelling, len(topics))
	for i, t := range topics {
		all[i] = spelling{t, t.Patterns()}
	}
	return all
}

// subscribe puts c where those are who hear the topics of its token, which are
// distinct. The lock is held.
func (s *shard) subscribe(c *Conn) {
	for _, p := range c.holder.topics() {
		s.topics[p] = append(s.topics[p], c)
	}
}

// unsubscribe takes c out again. The lock is held.
func (s *shard) unsubscribe(c *Conn) {
	for _, p := range c.holder.topics() {
		conns := s.topics[p]
		i := slices.Index(conns, c)
		switch last := len(conns) - 1; {
		case i < 0:
		case last == 0:
			delete(s.topics, p)
		default: // the last takes its place: eachHearer has been there
			conns[i], conns[last] = conns[last], nil
			s.topics[p] = conns[:last]
		}
	}
}

// eachHearer calls do for each connection that hears one of topics, once, with
// the place of the first that it hears. do may remove the connection. The lock
// is held.
func (s *shard) eachHearer(topics []spelling, do func(c *Conn, topic int)) {
	if len(s.topics) == 0 {
		return
	}
	for i := range topics {
		for k, p := range topics[i].patterns {
			for _, c := range slices.Backward(s.topics[p]) { // backward: see unsubscribe
				if !c.hears(topics[:i], topics[i].patterns[:k]) {
					do(c, i)
				}
			}
		}
	}
}

// hears reports whether c hears one of topics, or its token names one of
// patterns.
func (c *Conn) hears(topics []spelling, patterns []notify.TopicPattern) bool {
	if len(topics) == 0 && len(patterns) == 0 {
		return false
	}
	return slices.ContainsFunc(c.holder.topics(), func(p notify.TopicPattern) bool {
		return slices.Contains(patterns, p) ||
			slices.ContainsFunc(topics, func(t spelling) bool { return p.Matches(t.topic) })
	})
}
