package hub

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// A tick of the wheel.
const tick = time.Second

// wheel holds the connections of a shard by the tick of their next check. Each has a
// check at least once per ping, so there are a few more slots than ticks between two
// pings. The shard's lock guards it.
type wheel struct {
	slots []*Conn // by tick, modulo their number
	due   *Conn   // the connections of the slot whose turn it is
	tick  int32   // the last one whose slot was checked
}

func newWheel(opts *Options) wheel {
	return wheel{slots: make([]*Conn, ticks(opts.PingEvery)+2)}
}

// ticks returns d in ticks, rounded up, at least one.
func ticks(d time.Duration) int32 {
	return int32(max(1, (d+tick-1)/tick)) //nolint:gosec // 68 years of seconds
}

// enter adds a new connection. Its first ping is at a random time within the first
// interval, so that connections that were opened together are not pinged together.
func (w *wheel) enter(c *Conn, now time.Duration, opts *Options) {
	at := int32(now / tick)                                                       //nolint:gosec // 68 years of seconds
	c.pingAt = at + 1 + rand.Int32N(ticks(opts.PingEvery))                        //nolint:gosec // jitter: guessing it gains nothing
	c.freshAt = at + ticks(opts.FreshEvery) + rand.Int32N(ticks(opts.FreshEvery)) //nolint:gosec // jitter, too
	w.schedule(c, now, opts)
}

// schedule puts c into the slot of its next check: for its ping, the expiry of its token,
// or the moment at which it has been silent for too long.
func (w *wheel) schedule(c *Conn, now time.Duration, opts *Options) {
	at := min(time.Duration(c.pingAt)*tick, time.Duration(c.activity.Load())+opts.Silence)
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

// unlinkLocked removes c from its slot.
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

// Run sends pings, ends connections that are silent or whose tokens have expired or were
// withdrawn, and sends newer cursors and counts. It returns when ctx has ended.
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
		// Expiry was scheduled by the wall clock of then. If the clock was set since,
		// or stood still while the machine slept, all connections are checked.
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

// wallOffset returns how far the wall clock is ahead of the monotonic clock, from an
// arbitrary origin.
func (h *Hub) wallOffset() time.Duration {
	return h.opts.WallClock().Round(0).Sub(h.start.Round(0)) - h.since()
}

// turn checks the connections that are due, or all. Run alone calls it.
func (h *Hub) turn(all bool) {
	at := notify.Sequence(h.delivered.Load())
	for i := range h.shards {
		for _, c := range h.shards[i].turn(all, at) {
			if e := c.fresh(at); e != nil {
				c.sendFresh(e)
			}
		}
	}
	h.sendCounts(at)
}

// fresh returns the event that gives c a newer cursor, or nil if c has to end.
func (c *Conn) fresh(at notify.Sequence) *Event {
	defer c.Recover()
	n, ok := c.shard.hub.opts.Count(c.Reader(), at)
	if !ok {
		c.End(notify.CloseInternal)
		return nil
	}
	return &Event{Sequence: at, Content: Live{Counts: n}, Unshared: true}
}

// turn checks the shard's connections and returns those that should receive a newer
// cursor, now that all connections were offered everything up to at.
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

// checkLocked ends c, or has a ping sent if that is due and schedules the next check. It
// reports whether c continues.
func (s *shard) checkLocked(c *Conn, now time.Duration, wall time.Time) bool {
	opts := &s.hub.opts
	ends := c.principal.expires
	if ends != 0 && !wall.Before(ends.time().Add(opts.Leeway)) {
		s.endLocked(c, notify.CloseExpired)
		return false
	}
	if now-time.Duration(c.activity.Load()) >= opts.Silence {
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

// isStaleLocked reports whether c should receive a newer cursor: one check per FreshEvery
// finds that no event with a cursor was queued since the last.
func (s *shard) isStaleLocked(c *Conn, at notify.Sequence) bool {
	if s.wheel.tick < c.freshAt {
		return false
	}
	had := c.hadCursor
	c.hadCursor = false
	c.freshAt = s.wheel.tick + ticks(s.hub.opts.FreshEvery)
	return !had && c.phase == live && at > c.seen && s.hub.opts.Count != nil
}
