package hub

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
)

// ready is the queue of claimed connections. A few workers take connections from it and
// write to them. A worker never waits for a peer: if the network does not accept all events
// of a connection, a goroutine of that connection waits and writes the rest.
type ready struct {
	mu      sync.Mutex
	conns   []*Conn // those before head have been taken
	head    int
	workers int // number of running workers
}

// shareSize is the number of connections that a worker takes at a time, and the number
// to which the delivering goroutine itself writes.
const shareSize = 16

// add appends c. It reports whether the caller must start a worker, which is the case
// until maxWorkers are running.
func (r *ready) add(c *Conn, maxWorkers int) (start bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
	if r.workers >= maxWorkers {
		return false
	}
	r.workers++
	return true
}

// takeShare moves the next connections into share and returns those. A worker that gets
// none must end: it no longer counts as running.
func (r *ready) takeShare(share []*Conn) []*Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := copy(share, r.conns[r.head:])
	clear(r.conns[r.head : r.head+n])
	if r.head += n; r.head > len(r.conns)/2 { // compact the slice, so that it does not grow without bound
		r.conns, r.head = slices.Delete(r.conns, 0, r.head), 0
	}
	if n == 0 {
		r.workers--
	}
	return share[:n]
}

// claimLocked makes the caller the writer of c, unless c has one. If it reports true, the
// caller must call write, writeSome or queueForWorker; the first two after releasing the
// lock.
func (c *Conn) claimLocked() bool {
	if c.writing || c.closing {
		return false
	}
	c.writing = true
	c.shard.hub.tasks.Add(1)
	return true
}

// wakeLocked makes sure that c has a writer, which then finds changes to the fields of c.
func (c *Conn) wakeLocked() {
	if c.claimLocked() {
		c.queueForWorker()
	}
}

// queueForWorker makes a worker the writer of c, which the caller has claimed.
func (c *Conn) queueForWorker() {
	h := c.shard.hub
	if h.ready.add(c, h.workers) {
		h.tasks.Add(1)
		go h.work()
	}
}

// work writes to the connections that are ready, until there are no more.
func (h *Hub) work() {
	defer h.tasks.Done()
	var buffer [shareSize]*Conn
	for {
		share := h.ready.takeShare(buffer[:])
		if len(share) == 0 {
			return
		}
		for _, c := range share {
			c.write()
		}
	}
}

// write writes the queued events, batch by batch, until the queue is empty. If c has ended
// by then, it starts the goroutine that closes the transport. If a write would wait for the
// peer, another goroutine becomes the writer. The writer counts as one of the hub's tasks.
func (c *Conn) write() {
	for done := false; !done; {
		done = c.writeOnce()
	}
}

// writeSome is write for a caller that has other work: it writes the events that are queued
// now, and a worker writes those that are queued meanwhile.
func (c *Conn) writeSome() {
	const steps = 2 // one writes the batch, one finds the queue empty
	for range steps {
		if c.writeOnce() {
			return
		}
	}
	c.queueForWorker()
}

// slowAfter is how long a write may last before the peer counts as slow. It applies to
// transports that cannot write without waiting.
const slowAfter = 20 * time.Millisecond

// writeRest waits until the network has accepted the rest of a write, notes that, and continues
// to write.
func (c *Conn) writeRest(rest written) {
	var flushed bool
	if c.transport.Nonblocking() {
		flushed = c.flush()
	} else {
		flushed = c.flushTimed()
	}
	if flushed {
		c.noteWritten(rest)
	}
	c.setBlocked(false)
	c.write()
}

// flushTimed is flush for transports that cannot write without waiting. The peer counts as
// blocked only after slowAfter: until then, a burst of deliveries must not end the connection
// as too slow.
func (c *Conn) flushTimed() (ok bool) {
	marked := make(chan struct{})
	timer := time.AfterFunc(slowAfter, func() {
		defer close(marked)
		c.setBlocked(true)
	})
	ok = c.flush()
	if !timer.Stop() {
		<-marked // otherwise c could be marked as blocked after writeRest has unmarked it
	}
	return ok
}

func (c *Conn) setBlocked(blocked bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.blocked = blocked
	c.shard.queueTaken.Broadcast()
}

// flush waits until the network has accepted the rest of a write, and reports whether it has.
func (c *Conn) flush() (ok bool) {
	defer c.Recover()
	if _, err := c.transport.Write(nil, true); err != nil {
		c.endLost(err)
		return false
	}
	return true
}

// writeOnce performs the next step of the writer. If it returns true, the caller is no
// longer the writer of c: there was nothing to do, or another goroutine has taken over.
// After a panic it returns false, and the next step closes the connection.
func (c *Conn) writeOnce() (done bool) {
	defer c.Recover()
	h := c.shard.hub
	b, ping, why := c.nextStep()
	var complete bool // everything was written
	var err error
	var all written
	switch {
	case b != nil:
		all = written{c.wantingReceipts(b.events), b.since}
		if complete, err = c.transport.Write(b.events, false); err == nil {
			h.opts.Metrics.Delivered(len(b.events))
		}
		h.freeBatch(b)
	case ping:
		complete, err = c.transport.Ping()
	case why != nil:
		go c.closeTransport(*why)
		return true
	default:
		h.tasks.Done()
		return true
	}
	switch {
	case err != nil:
		c.endLost(err)
	case complete:
		c.noteWritten(all)
	default:
		c.setBlocked(c.transport.Nonblocking())
		go c.writeRest(all)
		return true
	}
	return false
}

func (c *Conn) closeTransport(why notify.Close) {
	defer c.shard.hub.tasks.Done()
	defer c.Recover()
	audit.Closed(context.Background(), c.shard.hub.opts.Logger, why, c.Audit)
	c.transport.Close(why)
}

func (c *Conn) endLost(err error) {
	c.shard.hub.opts.Logger.Debug("connection lost", append(c.LogAttrs(), slog.Any("error", err))...)
	c.End(notify.CloseLost)
}

// nextStep returns the next step of the writer: a batch to write, a ping to send, or the
// reason with which to close the transport. Without a batch and a ping, the caller is no
// longer the writer of c.
func (c *Conn) nextStep() (b *batch, ping bool, why *notify.Close) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.hub.budget.Give(int64(c.flightBytes))
	c.flight, c.flightBytes = 0, 0
	switch {
	case c.closing: // another goroutine closes the transport
	case !c.queue.isEmpty():
		if c.isLongLocked() {
			defer c.shard.queueTaken.Broadcast()
		}
		b = c.queue.takeAll(c.shard.hub, c.transport)
		b.since = c.shard.sampleLocked(b)
		c.flight, c.flightBytes = int32(len(b.events)), int32(b.bytes) //nolint:gosec // a queue, which is bounded
		return b, false, nil
	case c.phase == ended:
		c.closing = true
		why = c.why
	case c.ping:
		c.ping = false
		return nil, true, nil
	}
	c.writing = false
	return nil, false, why
}

// closeOverdue closes the transport if the writer has not closed it within CloseTimeout of
// the end of c, because the peer reads too slowly.
func (c *Conn) closeOverdue() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if !c.closing {
		c.closeLocked()
	}
}

// closeLocked drops the queue and closes the transport without waiting for the writer. If
// there is one, its write then fails. c must have ended.
func (c *Conn) closeLocked() {
	c.dropQueueLocked()
	c.shard.queueTaken.Broadcast()
	c.closing = true
	c.shard.hub.tasks.Add(1)
	go c.closeTransport(*c.why)
}

// Recover must be deferred by goroutines that serve c. It keeps a panic from ending the
// process: the panic is logged and ends this connection alone.
func (c *Conn) Recover() {
	v := recover()
	if v == nil {
		return
	}
	c.shard.hub.opts.Logger.Error("panic while serving a connection", append(c.LogAttrs(),
		slog.Any("panic", v), slog.String("stack", string(debug.Stack())))...)
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.endLocked(c, notify.CloseInternal)
	c.dropQueueLocked() // an event in it may be the cause of the panic
	c.shard.queueTaken.Broadcast()
}
