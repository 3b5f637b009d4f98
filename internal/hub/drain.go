package hub

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// A drain ends connections in steps, so that closing very many leaves processor time for
// requests. It takes drainEach for each connection, and drainSpread at most.
const (
	drainEach   = 100 * time.Microsecond
	drainSpread = time.Second
	drainStep   = 20 * time.Millisecond
)

// Drain ends every connection within about a second and admits no more. Clients are asked
// to spread their return over window, so the window costs no time here. Drain returns
// when the last writer has ended, which a peer that does not read delays by three seconds
// at most. When ctx ends, the remaining connections are ended immediately.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.draining.Store(&window)
	conns := h.conns()
	over := min(window, drainSpread, time.Duration(len(conns))*drainEach)
	h.endEvenly(ctx, conns, over, notify.CloseRestart(window))
	h.tasks.Wait()
}

// Draining returns the window of Drain, and whether Drain was called.
func (h *Hub) Draining() (window time.Duration, yes bool) {
	if w := h.draining.Load(); w != nil {
		return *w, true
	}
	return 0, false
}

// EndAll ends every connection. New ones may be registered.
func (h *Hub) EndAll(why notify.Close) {
	for _, c := range h.conns() {
		c.End(why)
	}
}

// conns returns all connections in random order. Once draining is set, none is added.
func (h *Hub) conns() []*Conn {
	all := make([]*Conn, 0, h.Count())
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		for _, conns := range s.users {
			all = append(all, conns...)
		}
		s.mu.Unlock()
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // for fairness: guessing it gains nothing
	return all
}

// endEvenly ends conns, spread evenly over a duration.
func (h *Hub) endEvenly(ctx context.Context, conns []*Conn, over time.Duration, why notify.Close) {
	start := time.Now()
	ticker := time.NewTicker(drainStep)
	defer ticker.Stop()
	for done := 0; done < len(conns) && h.Count() > 0; {
		upTo := len(conns)
		if ctx.Err() == nil && over > 0 {
			share := float64(time.Since(start)+drainStep) / float64(over)
			upTo = min(upTo, int(math.Ceil(share*float64(len(conns)))))
		}
		for ; done < upTo; done++ {
			conns[done].End(why)
		}
		if done == len(conns) {
			return
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
