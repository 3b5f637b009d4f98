package hub

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// ErrEnded says that a connection has ended, so that nothing can be told on it.
var ErrEnded = errors.New("connection has ended")

// CloseTimeout is how long a transport may take to send the reason for the end, and how long
// a WebSocket then waits for the answer.
const CloseTimeout = time.Second

// phase is how far a connection has come.
type phase uint8

const (
	unregistered phase = iota // not registered
	joining                   // catching up: offers raise its mark
	live                      // offers are queued
	ended                     // not registered any more: End was called
)

// Conn is one open connection of a user. Keep it small: there are a million.
type Conn struct {
	// Set by NewConn, then read-only.
	shard     *shard
	id        string
	transport Transport
	slot      *Slot // nil: none

	heard atomic.Int64 // when the peer was heard from: nanoseconds since the hub's start

	// The rest is guarded by shard.mu.

	principal compactPrincipal // its user never changes, but is written anew by Renew

	// seen is the last sequence that c was offered: while it is joining, the
	// mark that it must reach before it can go live.
	seen notify.Sequence

	queue       queue  // what the writer has not yet taken
	held        *batch // ephemeral frames for when c goes live; nil: none
	flight      int32  // frames that the writer is writing
	flightBytes int32

	// Its place in the wheel's slot, and the ticks at which it is due.
	next    *Conn
	at      **Conn // what points to this connection
	pingAt  int32
	freshAt int32

	why       *notify.Close // why it ended
	phase     phase
	writing   bool // there is a writer, and it will see what is changed here
	blocked   bool // the writer waits for the peer
	ping      bool // the writer is to ping
	hadCursor bool // an event with a cursor was queued since the wheel last checked
	recount   bool // it is in the shard's list of those to be given a fresh count
	closing   bool // Transport.Close was called or is about to be
}

// Principal returns whose connection c is, by the last token that it was shown.
func (c *Conn) Principal() notify.Principal {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.principal.expand()
}

// ID returns what c is called.
func (c *Conn) ID() string { return c.id }

// Address returns the address that c was admitted from, the zero one if it is not
// known.
func (c *Conn) Address() netip.Addr { return c.slot.Address() }

// Heard notes that the peer is alive.
func (c *Conn) Heard() { c.heard.Store(int64(c.shard.hub.since())) }

// Offer queues f behind whatever is queued, joining or live, and does not
// wait: for replies and errors, which are told to one connection alone. It
// reports false if c has ended, be it because its queue was full.
func (c *Conn) Offer(f *Event) bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.enqueueLocked(f)
}

// Write writes frames to the peer at once and waits until that is done. The
// one who joins history and live calls it, before GoLive. If it fails, c has
// ended, and the error is of kind ErrEnded.
func (c *Conn) Write(events ...*Event) error {
	c.shard.mu.Lock()
	over := c.phase != joining
	c.shard.mu.Unlock()
	if over {
		return fmt.Errorf("write to %s: %w", c.id, ErrEnded)
	}
	if _, err := c.transport.Write(events, true); err != nil {
		c.End(notify.CloseLost)
		return fmt.Errorf("write to %s: %w: %w", c.id, ErrEnded, err)
	}
	c.shard.hub.opts.Metrics.Delivered(len(events))
	return nil
}

// Ended reports whether c has ended: what its peer still sends is too late.
func (c *Conn) Ended() bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.phase == ended
}

// End ends c, for the first reason that is given, and does not wait. What was
// queued is still written before the peer is told why, unless c ends because
// it is too slow or lost, or memory is short.
func (c *Conn) End(why notify.Close) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.endLocked(c, why)
}

// offer tells c of f, if it has not seen it: now if it is live, else when it
// has caught up. It reports whether f was queued, for its caller to see to it
// that somebody writes it.
func (c *Conn) offerLocked(f *Event) bool {
	switch {
	case f.Sequence == 0 && c.phase == joining:
		c.holdLocked(f)
	case f.Sequence == 0:
		return c.putLocked(f)
	case f.Sequence <= c.seen:
	case c.phase == joining:
		c.seen = f.Sequence
	default:
		c.seen = f.Sequence
		return c.putLocked(f)
	}
	return false
}

// hold keeps an ephemeral frame until c is live. Half of the queue's bounds are
// left to what comes then.
func (c *Conn) holdLocked(f *Event) {
	h := c.shard.hub
	if c.held == nil {
		c.held = h.newBatch()
	}
	size := c.transport.Size(f)
	if len(c.held.events) >= h.opts.QueueLen/2 || c.held.bytes+size > h.opts.QueueBytes/2 ||
		!h.budget.Take(int64(size), int64(c.queuedLocked())) {
		h.opts.Metrics.Dropped(1, DropJoining)
		return
	}
	c.held.add(f, size)
}

// goLive is GoLive but for the writing, which is its caller's if writes is true.
func (c *Conn) becomeLive(at notify.Sequence, first []*Event) (gone, writes bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.phase != joining {
		return true, false
	}
	if c.seen > at || len(first) > 1 && c.isManyLocked(first) {
		return false, false
	}
	c.phase, c.seen = live, at
	writes = c.claimLocked()
	for _, f := range first {
		if f != nil {
			c.enqueueLocked(f)
		}
	}
	if held := c.held; held != nil {
		c.held = nil
		c.shard.hub.budget.Give(int64(held.bytes))
		for _, f := range held.events {
			c.enqueueLocked(f)
		}
		c.shard.hub.freeBatch(held)
	}
	return true, writes
}

// isMuch reports whether frames would fill half of the queue, or half of what
// all queues have left.
func (c *Conn) isManyLocked(frames []*Event) bool {
	bytes := 0
	for _, f := range frames {
		bytes += c.transport.Size(f)
	}
	h := c.shard.hub
	return len(frames) > h.opts.QueueLen/2 || bytes > h.opts.QueueBytes/2 || !h.hasRoomFor(bytes)
}

// enqueue queues f and sees to it that somebody writes it.
func (c *Conn) enqueueLocked(f *Event) bool {
	if !c.putLocked(f) {
		return false
	}
	c.wakeLocked()
	return true
}

// put queues f. If that is too much for the queue, c ends at once, so that
// nothing later slips in.
func (c *Conn) putLocked(f *Event) bool {
	if c.phase != joining && c.phase != live {
		return false
	}
	h, size := c.shard.hub, c.transport.Size(f)
	if c.isFullLocked(size) {
		h.opts.Metrics.Dropped(1, notify.CloseSlow.Reason)
		c.shard.endLocked(c, notify.CloseSlow)
		return false
	}
	if !h.budget.Take(int64(size), int64(c.queuedLocked())) {
		h.opts.Metrics.Dropped(1, notify.CloseOverloaded.Reason)
		c.shard.endLocked(c, notify.CloseOverloaded)
		return false
	}
	c.queue.add(h, c.transport, f, size)
	c.hadCursor = c.hadCursor || f.Sequence != 0
	return true
}

// isLong reports whether half of what may be queued is, though the peer takes
// what it is sent.
func (c *Conn) isLongLocked() bool {
	opts := &c.shard.hub.opts
	n, bytes := c.queue.size(c.transport)
	return n > 0 && !c.blocked && (2*n >= opts.QueueLen-1 || 2*bytes >= opts.QueueBytes)
}

// awaitTaken returns when a worker has taken a long queue, or has found that the
// peer must be waited for: until then, it is not the peer that is slow.
func (c *Conn) awaitTaken() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	for c.isLongLocked() {
		c.shard.taken.Wait()
	}
}

// isFull reports whether an event of a size is too much for what is queued and in
// flight.
func (c *Conn) isFullLocked(size int) bool {
	n, bytes := c.queue.size(c.transport)
	n, bytes = n+int(c.flight)+1, bytes+int(c.flightBytes)+size
	return n > c.shard.hub.opts.QueueLen || bytes > c.shard.hub.opts.QueueBytes
}

// refresh tells c of a newer cursor, unless it was told one meanwhile.
func (c *Conn) sendFresh(f *Event) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.phase == live && f.Sequence > c.seen {
		c.seen = f.Sequence
		c.enqueueLocked(f)
		c.hadCursor = false // it is still a quiet one
	}
}

// end is End, with the lock held.
func (s *shard) endLocked(c *Conn, why notify.Close) {
	if c.phase != joining && c.phase != live {
		return
	}
	c.phase, c.why = ended, &why
	s.removeLocked(c)
	s.hub.opts.Metrics.Closed(why)
	c.held = c.dropLocked(c.held)
	switch {
	case isAbrupt(why):
		c.closeLocked()
	case c.writing: // it closes when all is written, if that can be
		time.AfterFunc(CloseTimeout, c.cut)
	default:
		c.wakeLocked()
	}
	c.slot.leave()
	s.hub.tasks.Done()
}

// isAbrupt reports whether what is queued is dropped, rather than written first.
func isAbrupt(why notify.Close) bool {
	switch why.Code {
	case notify.CloseLost.Code, notify.CloseSlow.Code, notify.CloseOverloaded.Code:
		return true
	default:
		return false
	}
}

// remove takes c out of all that knows it.
func (s *shard) removeLocked(c *Conn) {
	user := c.principal.user
	conns := s.users[user]
	if i := slices.Index(conns, c); len(conns) == 1 && i == 0 {
		delete(s.users, user)
	} else if i >= 0 {
		s.users[user] = slices.Delete(conns, i, i+1)
	}
	c.unlinkLocked()
	s.unsubscribeLocked(c)
	s.hub.count.Add(-1)
}

// drop gives back a batch that will not be written.
func (c *Conn) dropLocked(b *batch) *batch {
	if b == nil {
		return nil
	}
	c.shard.hub.opts.Metrics.Dropped(len(b.events), c.why.Reason)
	c.shard.hub.budget.Give(int64(b.bytes))
	c.shard.hub.freeBatch(b)
	return nil
}

// dropQueue drops what is queued.
func (c *Conn) dropQueueLocked() {
	if !c.queue.isEmpty() {
		c.dropLocked(c.queue.takeAll(c.shard.hub, c.transport))
	}
}
