package hub

import (
	"context"
	"testing"

	"github.com/bellhop/bellhop/internal/notify"
)

type deaf struct{}

func (deaf) Name() string                       { return "test" }
func (deaf) Tries() bool                        { return true }
func (deaf) Write([]*Frame, bool) (bool, error) { return true, nil }
func (deaf) Ping() (bool, error)                { return true, nil }
func (deaf) Close(notify.Close)                 {}

// Nothing of a connection is left where topics are looked up.
func TestNoTopicOutlivesItsConnections(t *testing.T) {
	h := New(Options{PerUser: 5})
	var conns []*Conn
	for i := range 20 {
		p := notify.Principal{User: notify.UserID(rune('a' + i%3)), Topics: []notify.TopicPattern{"news", "project.*"}}
		c := h.NewConn(p, "c", nil, deaf{})
		if err := h.Register(c); err != nil { // the oldest is replaced
			t.Fatal(err)
		}
		conns = append(conns, c)
		if i%2 == 0 {
			p.Topics = []notify.TopicPattern{"project.*", "weather"}
			c.Renew(p)
		}
	}
	if n := h.heard("news") + h.heard("weather"); n != h.Count() {
		t.Errorf("%d connections hear the one or the other, of %d", n, h.Count())
	}
	if n := h.heard("project.*"); n != h.Count() {
		t.Errorf("%d connections hear of projects, of %d", n, h.Count())
	}
	for _, c := range conns {
		c.End(notify.CloseNormal)
	}
	for i := range h.shards {
		if left := h.shards[i].topics; len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	h.Drain(context.Background(), 0)
}

// heard returns how many connections name p.
func (h *Hub) heard(p notify.TopicPattern) (n int) {
	for i := range h.shards {
		n += len(h.shards[i].topics[p])
	}
	return n
}
