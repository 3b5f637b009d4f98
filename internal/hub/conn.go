package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
)

// ErrEnded means that a connection has ended and can receive nothing more.
var ErrEnded = errors.New("connection has ended")

// CloseTimeout is how long a transport may take to send the reason for the end, and how
// long a WebSocket then waits for the answer.
const CloseTimeout = time.Second

// phase is the state of a connection: see the package comment.
type phase uint8

const (
	unregistered phase = iota
	joining            // it reads its history: deliveries raise seen
	live               // deliveries are queued
	ended              // it is not registered any more
)

// Conn is one open connection of a user. Keep it small: a million may exist.
type Conn struct {
	// Set by NewConn, then read-only.
	shard     *shard
	id        string
	transport Transport
	slot      *Slot // nil: none

	activity atomic.Int64 // time at which the peer last sent something: nanoseconds since the hub's start

	// The rest is guarded by shard.mu.

	principal compactPrincipal // Renew replaces it; the user stays the same

	// seen is the last sequence that was offered to c. While c is joining, it must read
	// its history up to there before it can go live.
	seen notify.Sequence

	queue       queue  // events that the writer has not taken yet
	held        *batch // ephemeral events until c goes live; nil: none
	flight      int32  // events that the writer has taken and is writing
	flightBytes int32

	// Its position in a slot of the wheel, and the ticks at which a ping and a newer
	// cursor are due.
	next    *Conn
	at      **Conn // the pointer to this connection
	pingAt  int32
	freshAt int32

	why       *notify.Close // the reason for the end
	phase     phase
	writing   bool // it has a writer, which will notice changes to these fields
	blocked   bool // the writer waits for the peer
	ping      bool // the writer must send a ping
	hadCursor bool // an event with a cursor was queued since the wheel last checked
	recount   bool // it is in the shard's list of connections to be counted again
	closing   bool // Transport.Close was called or is about to be
}

// Principal returns the principal of c, by the newest token that was presented.
func (c *Conn) Principal() notify.Principal {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.principal.expand()
}

// Reader returns the reader of the inbox that c shows, by the newest token that was presented.
func (c *Conn) Reader() notify.Reader {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.principal.reader()
}

// User returns the user of c.
func (c *Conn) User() notify.UserID {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.principal.user
}

// ID returns the ID of c.
func (c *Conn) ID() string { return c.id }

// Address returns the address that c was admitted from, the zero one if it has no
// slot.
func (c *Conn) Address() netip.Addr { return c.slot.Address() }

// Audit returns the subject of a line about c.
func (c *Conn) Audit() audit.Line {
	ids := []slog.Attr{slog.String("connection", c.id)}
	if a := c.Address(); a.IsValid() && !a.IsUnspecified() {
		ids = append(ids, slog.String("address", a.String()))
	}
	return audit.Line{By: c.Principal(), IDs: ids}
}

// LogAttrs returns the attributes with which ordinary log lines name c and its user.
func (c *Conn) LogAttrs() []any {
	attrs := []any{slog.String("connection", c.id)}
	for _, a := range audit.Caller(c.Principal()) {
		attrs = append(attrs, a)
	}
	return attrs
}

// NoteActivity records that the peer has sent something.
func (c *Conn) NoteActivity() { c.activity.Store(int64(c.shard.hub.since())) }

// Offer queues e, whether c is joining or live, and does not wait. It is for replies and
// failures, which one connection alone receives. It reports false if c has ended,
// perhaps because its queue was full.
func (c *Conn) Offer(e *Event) bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.enqueueLocked(e)
}

// Write writes events to the peer and waits until that is done. Only the code that reads
// the history for c calls it, before GoLive. If it fails, c has ended, and the error is
// of kind ErrEnded.
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
	c.noteWritten(written{receipts: c.wantingReceipts(events)})
	return nil
}

// Ended reports whether c has ended.
func (c *Conn) Ended() bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.phase == ended
}

// End ends c and does not wait. The first reason counts. Queued events are still written
// before the reason, unless c ends because it is too slow or lost, or memory is short.
func (c *Conn) End(why notify.Close) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.endLocked(c, why)
}

// offerLocked queues e if c is live and has not seen it. While c is joining, it only raises
// seen, because c will find e in its history; an ephemeral event is held. It reports whether
// e was queued: then the caller must make sure that c has a writer.
func (c *Conn) offerLocked(e *Event) bool {
	switch {
	case e.Sequence == 0 && c.phase == joining:
		c.holdLocked(e)
	case e.Sequence == 0:
		return c.putLocked(e)
	case e.Sequence <= c.seen:
	case c.phase == joining:
		c.seen = e.Sequence
	default:
		c.seen = e.Sequence
		return c.putLocked(e)
	}
	return false
}

// holdLocked keeps an ephemeral event until c is live. It uses at most half of the
// queue's limits: the other half is for events that follow.
func (c *Conn) holdLocked(e *Event) {
	h := c.shard.hub
	limits := h.limits.Load()
	if c.held == nil {
		c.held = h.newBatch()
	}
	size := c.transport.Size(e)
	if len(c.held.events) >= limits.QueueLen/2 || c.held.bytes+size > limits.QueueBytes/2 ||
		!h.budget.Take(int64(size), int64(c.queuedLocked())) {
		h.opts.Metrics.Dropped(1, DropJoining)
		return
	}
	c.held.add(e, size)
}

// becomeLive is GoLive without writing, which is the caller's task if writes is true.
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
	for _, e := range first {
		if e != nil {
			c.enqueueLocked(e)
		}
	}
	if held := c.held; held != nil {
		c.held = nil
		c.shard.hub.budget.Give(int64(held.bytes))
		for _, e := range held.events {
			if !c.hidesLocked(e) { // what the preferences hide was not known when it came
				c.enqueueLocked(e)
			}
		}
		c.shard.hub.freeBatch(held)
	}
	return true, writes
}

// isManyLocked reports whether events would fill half of the queue, or half of what is
// left for all queues.
func (c *Conn) isManyLocked(events []*Event) bool {
	bytes := 0
	for _, e := range events {
		bytes += c.transport.Size(e)
	}
	h := c.shard.hub
	limits := h.limits.Load()
	return len(events) > limits.QueueLen/2 || bytes > limits.QueueBytes/2 || !h.hasBudgetFor(bytes)
}

// enqueueLocked queues e and makes sure that c has a writer.
func (c *Conn) enqueueLocked(e *Event) bool {
	if !c.putLocked(e) {
		return false
	}
	c.wakeLocked()
	return true
}

// putLocked queues e. If the queue is full, c ends immediately, so that it receives no later
// event without this one.
func (c *Conn) putLocked(e *Event) bool {
	if c.phase != joining && c.phase != live {
		return false
	}
	h, size := c.shard.hub, c.transport.Size(e)
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
	c.queue.add(h, c.transport, e, size)
	c.hadCursor = c.hadCursor || e.Sequence != 0
	return true
}

// isLongLocked reports whether the queue is at least half full although the peer is not
// blocked.
func (c *Conn) isLongLocked() bool {
	limits := c.shard.hub.limits.Load()
	n, bytes := c.queue.size(c.transport)
	return n > 0 && !c.blocked && (2*n >= limits.QueueLen-1 || 2*bytes >= limits.QueueBytes)
}

// awaitShortQueue waits while the queue is long, until a worker has taken it or has found
// that the peer is slow. Before that, the delay is the service's own, and c must not end as
// too slow.
func (c *Conn) awaitShortQueue() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	for c.isLongLocked() {
		c.shard.queueTaken.Wait()
	}
}

// isFullLocked reports whether an event of this size exceeds the limits of the queue,
// which count the events in flight too.
func (c *Conn) isFullLocked(size int) bool {
	n, bytes := c.queue.size(c.transport)
	n, bytes = n+int(c.flight)+1, bytes+int(c.flightBytes)+size
	limits := c.shard.hub.limits.Load()
	return n > limits.QueueLen || bytes > limits.QueueBytes
}

// sendFresh queues an event with a newer cursor, unless c has received one meanwhile.
func (c *Conn) sendFresh(e *Event) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.phase == live && e.Sequence > c.seen {
		c.seen = e.Sequence
		c.enqueueLocked(e)
		c.hadCursor = false // c still counts as quiet
	}
}

// endLocked is End for callers that hold the lock.
func (s *shard) endLocked(c *Conn, why notify.Close) {
	if c.phase != joining && c.phase != live {
		return
	}
	c.phase, c.why = ended, &why
	s.removeLocked(c)
	s.hub.opts.Metrics.Closed(c.transport.Name(), why)
	c.held = c.dropLocked(c.held)
	switch {
	case isAbrupt(why):
		c.closeLocked()
	case c.writing: // the writer closes when everything is written
		time.AfterFunc(CloseTimeout, c.closeOverdue)
	default:
		c.wakeLocked()
	}
	c.slot.leave()
	s.hub.tasks.Done()
}

// isAbrupt reports whether queued events are dropped instead of written before the reason.
func isAbrupt(why notify.Close) bool {
	switch why.Code {
	case notify.CloseLost.Code, notify.CloseSlow.Code, notify.CloseOverloaded.Code:
		return true
	default:
		return false
	}
}

// removeLocked removes c from the shard, the wheel and the topics.
func (s *shard) removeLocked(c *Conn) {
	s.unsubscribeLocked(c)
	user := c.principal.user
	conns := s.users[user]
	if i := slices.Index(conns, c); len(conns) == 1 && i == 0 {
		delete(s.users, user)
		delete(s.members, user)
		delete(s.muting, user)
	} else if i >= 0 {
		s.users[user] = slices.Delete(conns, i, i+1)
	}
	c.unlinkLocked()
	s.hub.count.Add(-1)
}

// dropLocked drops a batch that will not be written. b may be nil.
func (c *Conn) dropLocked(b *batch) *batch {
	if b == nil {
		return nil
	}
	c.shard.hub.opts.Metrics.Dropped(len(b.events), c.why.Reason)
	c.shard.hub.budget.Give(int64(b.bytes))
	c.shard.hub.freeBatch(b)
	return nil
}

// dropQueueLocked drops the queued events.
func (c *Conn) dropQueueLocked() {
	if !c.queue.isEmpty() {
		c.dropLocked(c.queue.takeAll(c.shard.hub, c.transport))
	}
}
