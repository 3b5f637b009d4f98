package hub

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// A tick of the wheel.
const tick = time.Second

// wheel holds the connections of a shard by the tick at which they are to be
// looked at next. A look is due for each at least once per ping, so there are
// a few more slots than ticks between two pings. The shard's lock guards it.
type wheel struct {
	slots []*Conn // by tick, modulo their number
	due   *Conn   // the slot being turned
	tick  int32   // the last one turned
}

func newWheel(opts *Options) wheel {
	return wheel{slots: make([]*Conn, ticks(opts.PingEvery)+2)}
}

// ticks returns d in ticks, rounded up, at least one.
func ticks(d time.Duration) int32 {
	return int32(max(1, (d+tick-1)/tick)) //nolint:gosec // 68 years of seconds
}

// enter takes a new connection in. Its first ping comes somewhere within the
// first interval, lest all who came together be pinged together.
func (w *wheel) enter(c *Conn, now time.Duration, opts *Options) {
	at := int32(now / tick)                                                       //nolint:gosec // 68 years of seconds
	c.pingAt = at + 1 + rand.Int32N(ticks(opts.PingEvery))                        //nolint:gosec // jitter: nobody gains by guessing
	c.freshAt = at + ticks(opts.FreshEvery) + rand.Int32N(ticks(opts.FreshEvery)) //nolint:gosec // jitter, too
	w.schedule(c, now, opts)
}

// put puts c where its next look is due: its ping, the end of its token, or
// the moment it has been silent for too long.
func (w *wheel) schedule(c *Conn, now time.Duration, opts *Options) {
	at := min(time.Duration(c.pingAt)*tick, time.Duration(c.heard.Load())+opts.Silence)
	if ends := c.principal.expires; ends != 0 {
		at = min(at, now+max(0, ends.time().Add(opts.Leeway).Sub(opts.WallClock())))
	}
	n := int32(len(w.slots)) //nolint:gosec // a few more than the seconds between two pings
	slot := &w.slots[min(max(ticks(at), w.tick+1), w.tick+n-1)%n]
	c.next, c.at = *slot, slot
	if c.next != nil {
		c.next.at = &c.next
	}
	*slot = c
}

// unlink takes c out of its slot.
func (c *Conn) unlinkLocked() {
	if c.at == nil {
		return
	}
	*c.at = c.next
	if c.next != nil {
		c.next.at = c.at
	}
	c.next, c.at = nil, nil
}

// Run pings the connections, ends those that are silent or whose tokens have
// expired, and refreshes cursors and counts. It returns when ctx has ended.
func (h *Hub) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	offset := h.wallOffset()
	withdrawn := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// Expiry was put on the wheel by the wall clock as it was: if that has
		// been set since, or stood still while the machine slept, look at all.
		now := h.wallOffset()
		jumped := (now - offset).Abs() > tick
		if jumped {
			offset = now
		}
		if n := h.opts.Withdrawals(); n != withdrawn {
			withdrawn = n
			h.endWithdrawn()
		}
		h.turn(jumped)
	}
}

// wallOffset returns how far the wall clock is ahead of the monotonic one,
// from an arbitrary origin.
func (h *Hub) wallOffset() time.Duration {
	return h.opts.WallClock().Round(0).Sub(h.start.Round(0)) - h.since()
}

// turn looks at the connections that are due, or at all.
func (h *Hub) turn(all bool) {
	at := notify.Sequence(h.delivered.Load())
	for i := range h.shards {
		for _, c := range h.shards[i].turn(all, at) {
			if f := c.fresh(at); f != nil {
				c.sendFresh(f)
			}
		}
		h.shards[i].sendCounts(at)
	}
}

// fresh returns the event that gives c a newer cursor, or nil if c has to end.
func (c *Conn) fresh(at notify.Sequence) *Event {
	defer c.Recover()
	p := c.Principal()
	n, ok := c.shard.hub.opts.Unread(p.Reader(), at)
	if !ok {
		c.End(notify.CloseInternal)
		return nil
	}
	return &Event{Sequence: at, Content: Live{UnreadCount: n}, Unshared: true}
}

// turn looks at the shard's connections and returns those that want a newer
// cursor, now that all connections were told everything up to at.
func (s *shard) turn(all bool, at notify.Sequence) (stale []*Conn) {
	now, wall := s.hub.since(), s.hub.opts.WallClock().Round(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.wheel
	n := int32(len(w.slots))              //nolint:gosec // a few more than the seconds between two pings
	last, upTo := w.tick, int32(now/tick) //nolint:gosec // 68 years of seconds
	if all || upTo-last > n {
		last = upTo - n
	}
	w.tick = upTo
	for t := last + 1; t <= upTo; t++ {
		slot := &w.slots[(t+n)%n]
		w.due, *slot = *slot, nil
		if w.due != nil {
			w.due.at = &w.due
		}
		for c := w.due; c != nil; c = w.due {
			c.unlinkLocked()
			if s.checkLocked(c, now, wall) && s.isStaleLocked(c, at) {
				stale = append(stale, c)
			}
		}
	}
	return stale
}

// look ends c, or pings it if that is due and puts it back on the wheel. It
// reports whether c goes on.
func (s *shard) checkLocked(c *Conn, now time.Duration, wall time.Time) bool {
	opts := &s.hub.opts
	ends := c.principal.expires
	if ends != 0 && !wall.Before(ends.time().Add(opts.Leeway)) {
		s.endLocked(c, notify.CloseExpired)
		return false
	}
	if now-time.Duration(c.heard.Load()) >= opts.Silence {
		s.endLocked(c, notify.CloseSilent)
		return false
	}
	if s.wheel.tick >= c.pingAt {
		c.pingAt = s.wheel.tick + ticks(opts.PingEvery)
		c.ping = true
		c.wakeLocked()
	}
	s.wheel.schedule(c, now, opts)
	return true
}

// isStale reports whether c is to be given a newer cursor: one look per
// FreshEvery finds that it was told none since the last.
func (s *shard) isStaleLocked(c *Conn, at notify.Sequence) bool {
	if s.wheel.tick < c.freshAt {
		return false
	}
	had := c.hadCursor
	c.hadCursor = false
	c.freshAt = s.wheel.tick + ticks(s.hub.opts.FreshEvery)
	return !had && c.phase == live && at > c.seen && s.hub.opts.Unread != nil
}
