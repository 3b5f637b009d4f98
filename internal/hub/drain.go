package hub

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// drainStep is how often a drain ends some more connections.
const drainStep = 20 * time.Millisecond

// Drain lets every connection go, spread evenly over window, and takes no more.
// It returns when the last has gone and its writer with it. When ctx ends, all
// that are left are ended at once; to say why takes them a second or two.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.draining.Store(&window)
	h.endAll(ctx, h.conns(), window)
	h.tasks.Wait()
}

// Draining reports whether Drain was called, and its window.
func (h *Hub) Draining() (window time.Duration, yes bool) {
	if w := h.draining.Load(); w != nil {
		return *w, true
	}
	return 0, false
}

// conns returns all connections in no order. Once draining is set, no other is
// registered.
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
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // to be fair: nobody gains by guessing
	return all
}

// endAll ends conns evenly over window, so that they do not come back together.
func (h *Hub) endAll(ctx context.Context, conns []*Conn, window time.Duration) {
	why := notify.CloseRestart(window)
	start := time.Now()
	ticker := time.NewTicker(drainStep)
	defer ticker.Stop()
	for done := 0; done < len(conns) && h.Count() > 0; {
		upTo := len(conns)
		if ctx.Err() == nil && window > 0 {
			share := float64(time.Since(start)+drainStep) / float64(window)
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
