package hub_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// sink counts what it is told.
type sink struct {
	told *atomic.Int64
	all  chan struct{} // told when n is reached
	n    int64
}

func (s sink) Write(frames []*hub.Frame, _ bool) (bool, error) {
	if s.told.Add(int64(len(frames))) == s.n {
		s.told.Store(0)
		s.all <- struct{}{}
	}
	return true, nil
}
func (sink) Name() string        { return "test" }
func (sink) Tries() bool         { return true }
func (sink) Ping() (bool, error) { return true, nil }
func (sink) Close(notify.Close)  {}

func BenchmarkDeliver(b *testing.B) {
	for _, conns := range []int{1, 10_000} {
		b.Run(strconv.Itoa(conns), func(b *testing.B) {
			h := hub.New(hub.Options{})
			to := sink{new(atomic.Int64), make(chan struct{}, 1), int64(conns)}
			for i := range conns {
				c := h.NewConn(user(strconv.Itoa(i)), "c", nil, to)
				if err := h.Register(c); err != nil {
					b.Fatal(err)
				}
				h.GoLive(c, 0, nil)
			}
			f := ephemeral("hello")
			n := notify.Notification{Time: time.Now(), Audience: notify.AudienceAll}
			if conns == 1 {
				n = notify.Notification{Audience: notify.AudienceUser, Users: []notify.UserID{"0"}}
			}
			b.ReportAllocs()
			for b.Loop() {
				h.Deliver(n, f)
				<-to.all
			}
			b.StopTimer()
			h.Drain(b.Context(), 0)
		})
	}
}
