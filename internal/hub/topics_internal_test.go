package hub

import (
	"context"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/notify"
)

type discard struct{}

func (discard) Size(*Event) int                    { return 1 }
func (discard) Name() string                       { return "test" }
func (discard) Nonblocking() bool                  { return true }
func (discard) Write([]*Event, bool) (bool, error) { return true, nil }
func (discard) Ping() (bool, error)                { return true, nil }
func (discard) Close(notify.Close)                 {}

// Nothing of a connection is left where topics are looked up.
func TestNoTopicOutlivesItsConnections(t *testing.T) {
	h := New(Options{PerUser: 5})
	var conns []*Conn
	for i := range 20 {
		p := notify.Principal{User: notify.UserID(rune('a' + i%3)), Topics: []notify.TopicPattern{"news", "project.*"}}
		c := h.NewConn(p, "c", nil, discard{})
		if err := h.Register(c); err != nil { // the oldest is replaced
			t.Fatal(err)
		}
		conns = append(conns, c)
		if i%2 == 0 {
			p.Topics = []notify.TopicPattern{"project.*", "weather"}
			c.Renew(p)
		}
	}
	if n := h.subscribed("news") + h.subscribed("weather"); n != h.Count() {
		t.Errorf("%d connections receive one of the two topics, of %d", n, h.Count())
	}
	if n := h.subscribed("project.*"); n != h.Count() {
		t.Errorf("%d connections receive the pattern, of %d", n, h.Count())
	}
	for _, c := range conns {
		c.End(notify.CloseNormal)
	}
	for i := range h.shards {
		if left := h.shards[i].topics; len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if left := h.subscriptions.byHash; len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	h.Drain(context.Background(), 0)
}

// The lookup finds exactly the patterns that match a topic, also where all have the
// same hash.
func TestSubscriptionsAreFound(t *testing.T) {
	patterns := []notify.TopicPattern{"news", "news.*", "news.today", "news.today.*", "a.*", "a..*", "a.", "..*", "ä.*"}
	topics := []notify.Topic{"news", "news.", "news.today", "news.today.late", "newsletter", "new", "a", "a.", "a..", "a..b", ".", "..", "ä.ö"}
	for _, base := range []uint64{0, 1, newSubscriptions().base} { // 0: a hash of the last byte alone
		s := newSubscriptions()
		s.base = base
		for i, p := range patterns {
			s.add(p, i)
			s.add(p, i+64)
		}
		for _, topic := range topics {
			found := map[notify.TopicPattern]bool{}
			for _, h := range s.find([]notify.Topic{"other", topic}) {
				if h.topic != 1 || found[h.pattern] {
					t.Errorf("%s: %v", topic, h)
				}
				found[h.pattern] = true
			}
			for i, p := range patterns {
				if found[p] != p.Matches(topic) {
					t.Errorf("base %d: %s is found for %s: %t", base, p, topic, found[p])
				}
				if all := shardsOf(s.find([]notify.Topic{topic})); all.has(i) != found[p] || all.has(i+64) != found[p] {
					t.Errorf("%s: %v", topic, all)
				}
			}
		}
		for i, p := range patterns {
			s.remove(p, i)
			s.remove(p, i+64)
		}
		if len(s.byHash) > 0 {
			t.Errorf("left: %v", s.byHash)
		}
	}
}

// A topic costs no memory that grows with its dots, and none at all if no connection
// receives it.
func TestATopicOfDotsCostsNoMoreThanAPlainOne(t *testing.T) {
	h := New(Options{})
	s := &h.subscriptions
	s.add("plain", 1)
	s.add(notify.TopicPattern(strings.Repeat(".", 100)+".*"), 1)
	one := testing.AllocsPerRun(10, func() { s.find([]notify.Topic{"plain"}) })
	dots := notify.Topic(strings.Repeat(".", notify.MaxUserBytes))
	if n := testing.AllocsPerRun(10, func() { s.find([]notify.Topic{dots}) }); n > one {
		t.Errorf("%v allocations, and %v for a plain name", n, one)
	}
	unmatched := notify.Topic(strings.Repeat("a.", notify.MaxUserBytes/2))
	if n := testing.AllocsPerRun(10, func() {
		h.DeliverTopics([]notify.Topic{unmatched}, nil, func(notify.Topic) *Event { panic("no connection receives it") })
	}); n > 0 {
		t.Errorf("%v allocations without a receiver", n)
	}
}

// subscribed returns how many connections receive p.
func (h *Hub) subscribed(p notify.TopicPattern) (n int) {
	for i := range h.shards {
		n += len(h.shards[i].topics[p])
	}
	return n
}

// A topic that a renewed token still names is received without a break: the test
// holds the lock that unsubscribing would wait for.
func TestARenewedTokenKeepsItsSubscriptions(t *testing.T) {
	h := New(Options{})
	p := notify.Principal{User: "ada", Topics: []notify.TopicPattern{"news", "project.*"}}
	c := h.NewConn(p, "c", nil, discard{})
	if err := h.Register(c); err != nil {
		t.Fatal(err)
	}
	h.subscriptions.mu.RLock()
	p.Topics = []notify.TopicPattern{"project.*", "news"}
	if !c.Renew(p) {
		t.Error("it was not renewed")
	}
	h.subscriptions.mu.RUnlock()
	p.Topics = []notify.TopicPattern{"news", "weather"}
	c.Renew(p)
	if h.subscribed("news") != 1 || h.subscribed("weather") != 1 || h.subscribed("project.*") != 0 || len(h.subscriptions.byHash) != 2 {
		t.Errorf("subscriptions: %v", h.subscriptions.byHash)
	}
	c.End(notify.CloseNormal)
	h.Drain(context.Background(), 0)
}
