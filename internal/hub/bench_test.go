package hub_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// sink counts the events that it receives.
type sink struct {
	received *atomic.Int64
	all      chan struct{} // receives a value when n is reached
	n        int64
}

func (s sink) Write(events []*hub.Event, _ bool) (bool, error) {
	if s.received.Add(int64(len(events))) == s.n {
		s.received.Store(0)
		s.all <- struct{}{}
	}
	return true, nil
}
func (sink) Size(*hub.Event) int { return 300 }
func (sink) Name() string        { return "test" }
func (sink) Nonblocking() bool   { return true }
func (sink) Ping() (bool, error) { return true, nil }
func (sink) Close(notify.Close)  {}

func BenchmarkDeliver(b *testing.B) {
	b.Run("1", func(b *testing.B) { benchmarkDeliver(b, notify.Readers{Users: []notify.UserID{"0"}}, 1, nil) })
	b.Run("10000", func(b *testing.B) { benchmarkDeliver(b, everyone, 10_000, nil) })
}

// benchmarkDeliver delivers an event to the connections of as many users, whose preferences hide
// what rules say.
func benchmarkDeliver(b *testing.B, to notify.Readers, conns int, rules *notify.Muting) {
	h := hub.New(hub.Options{})
	peers := sink{new(atomic.Int64), make(chan struct{}, 1), int64(conns)}
	for i := range conns {
		c := h.NewConn(user(strconv.Itoa(i)), "c", nil, peers)
		if err := h.Register(c); err != nil {
			b.Fatal(err)
		}
		if rules != nil {
			c.SetMuting(rules, 1, 0)
		}
		h.GoLive(c, 0, nil)
	}
	f, at := typed(0, "comment.created"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		h.Deliver(to, at, f)
		<-peers.all
	}
	b.StopTimer()
	h.Drain(b.Context(), 0)
}

// Delivery to a topic that all connections receive, half of them by a pattern.
func BenchmarkDeliverTopics(b *testing.B) {
	const conns = 10_000
	h := hub.New(hub.Options{})
	peers := sink{new(atomic.Int64), make(chan struct{}, 1), conns}
	for i := range conns {
		p := user(strconv.Itoa(i))
		if p.Topics = []notify.TopicPattern{"project.7"}; i%2 == 0 {
			p.Topics = []notify.TopicPattern{"news", "project.*"}
		}
		c := h.NewConn(p, "c", nil, peers)
		if err := h.Register(c); err != nil {
			b.Fatal(err)
		}
		h.GoLive(c, 0, nil)
	}
	f := ephemeral("hello")
	topics := []notify.Topic{"project.7"}
	b.ReportAllocs()
	for b.Loop() {
		h.DeliverTopics(topics, nil, func(notify.Topic) *hub.Event { return f })
		<-peers.all
	}
	b.StopTimer()
	h.Drain(b.Context(), 0)
}
