package hub

import (
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// ready are the connections that have something to be written and nobody who
// does it yet. A few workers take them in turn, and none waits for a peer: one
// that does not take all at once gets a writer of its own, until it has.
type ready struct {
	mu      sync.Mutex
	conns   []*Conn // from head on
	head    int
	workers int // that are running
}

// shareSize is how many connections a worker takes at a time.
const shareSize = 16

// add adds c, and reports whether it takes one more worker.
func (r *ready) add(c *Conn, most int) (more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
	if r.workers >= most {
		return false
	}
	r.workers++
	return true
}

// take moves the next connections into share and returns them. A worker that
// gets none has left.
func (r *ready) takeShare(share []*Conn) []*Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := copy(share, r.conns[r.head:])
	clear(r.conns[r.head : r.head+n])
	if r.head += n; r.head > len(r.conns)/2 { // all gone, or mostly: it must not grow for ever
		r.conns, r.head = slices.Delete(r.conns, 0, r.head), 0
	}
	if n == 0 {
		r.workers--
	}
	return share[:n]
}

// takeUp makes the caller c's writer, unless there is one: it must call write
// without the shard's lock, which is held now.
func (c *Conn) claimLocked() bool {
	if c.writing || c.closing {
		return false
	}
	c.writing = true
	c.shard.hub.tasks.Add(1)
	return true
}

// wake sees to it that somebody writes, unless somebody does: who will find
// what there is to do. The shard's lock is held.
func (c *Conn) wakeLocked() {
	if c.claimLocked() {
		c.leaveToWorker()
	}
}

// getReady leaves writing to a worker.
func (c *Conn) leaveToWorker() {
	h := c.shard.hub
	if h.ready.add(c, h.workers) {
		h.tasks.Add(1)
		go h.work()
	}
}

// work writes for the connections that are ready, and leaves when there are no
// more.
func (h *Hub) work() {
	defer h.tasks.Done()
	var room [shareSize]*Conn
	for {
		share := h.ready.takeShare(room[:])
		if len(share) == 0 {
			return
		}
		for _, c := range share {
			c.write()
		}
	}
}

// write writes what is queued, batch by batch, until there is no more. If c has
// ended meanwhile, the last it writes is why. It leaves it to a goroutine of c's
// own to wait for the peer. It counts as one of the hub's tasks.
func (c *Conn) write() {
	for over := false; !over; {
		over = c.writeOnce()
	}
}

// writeSome is write for whoever has more to do than to write to c: while others
// go on queueing, it leaves that to a worker.
func (c *Conn) writeSome() {
	const most = 2 // what is queued, and to find that there is no more
	for range most {
		if c.writeOnce() {
			return
		}
	}
	c.leaveToWorker()
}

// unsure is for how long a write may wait before the peer counts as one that is
// waited for, if the transport could not try.
const unsure = 20 * time.Millisecond

// writeRest waits until the peer has taken what it was written, and writes on.
func (c *Conn) writeRest() {
	if c.transport.Tries() {
		c.flush()
	} else {
		c.flushUnsure()
	}
	c.setBlocked(false)
	c.write()
}

// flushUnsure flushes, and counts the peer as one that is waited for once that
// takes long: before, who delivers a burst must not take it for slow.
func (c *Conn) flushUnsure() {
	late := make(chan struct{})
	timer := time.AfterFunc(unsure, func() {
		defer close(late)
		c.setBlocked(true)
	})
	c.flush()
	if !timer.Stop() {
		<-late // so that it is not set again
	}
}

func (c *Conn) setBlocked(is bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.blocked = is
	c.shard.taken.Broadcast()
}

func (c *Conn) flush() {
	defer c.Recover()
	if _, err := c.transport.Write(nil, true); err != nil {
		c.lost(err)
	}
}

// writeOnce writes the next that is to be written. It reports whether that was
// all: its caller is not c's writer any more. After a panic there is more.
func (c *Conn) writeOnce() (over bool) {
	defer c.Recover()
	h := c.shard.hub
	b, ping, bye := c.nextStep()
	var done bool
	var err error
	switch {
	case b != nil:
		if done, err = c.transport.Write(b.events, false); err == nil {
			h.opts.Metrics.Delivered(len(b.events))
		}
		h.freeBatch(b)
	case ping:
		done, err = c.transport.Ping()
	case bye != nil:
		go c.sayBye(*bye)
		return true
	default:
		h.tasks.Done()
		return true
	}
	switch {
	case err != nil:
		c.lost(err)
	case !done:
		c.setBlocked(c.transport.Tries())
		go c.writeRest()
		return true
	}
	return false
}

func (c *Conn) sayBye(why notify.Close) {
	defer c.shard.hub.tasks.Done()
	defer c.Recover()
	c.transport.Close(why)
}

func (c *Conn) lost(err error) {
	c.shard.hub.opts.Logger.Debug("connection lost", slog.String("connection", c.id), slog.Any("error", err))
	c.End(notify.CloseLost)
}

// take returns what the writer is to do next: write a batch, ping, close, or
// leave. When it is to close or leave, it is not c's writer any more.
func (c *Conn) nextStep() (b *batch, ping bool, bye *notify.Close) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.hub.budget.Give(int64(c.flightBytes))
	c.flight, c.flightBytes = 0, 0
	switch {
	case c.closing: // somebody else closes
	case !c.queue.isEmpty():
		if c.isLongLocked() {
			defer c.shard.taken.Broadcast()
		}
		b = c.queue.takeAll(c.shard.hub, c.transport)
		c.flight, c.flightBytes = int32(len(b.events)), int32(b.bytes) //nolint:gosec // a queue, which is bounded
		return b, false, nil
	case c.phase == ended:
		c.closing = true
		bye = c.why
	case c.ping:
		c.ping = false
		return nil, true, nil
	}
	c.writing = false
	return nil, false, bye
}

// cut closes a connection whose writer could not, because the peer reads too
// slowly.
func (c *Conn) cut() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if !c.closing {
		c.closeLocked()
	}
}

// closeNow closes the transport beside the writer, if there is one, which then
// finds that it cannot write. The shard's lock is held, and c has ended.
func (c *Conn) closeLocked() {
	c.dropQueueLocked()
	c.shard.taken.Broadcast()
	c.closing = true
	c.shard.hub.tasks.Add(1)
	go c.sayBye(*c.why)
}

// Recover must be deferred by goroutines that serve c. It keeps a panic from ending the
// process: the panic is logged and ends this connection alone.
func (c *Conn) Recover() {
	v := recover()
	if v == nil {
		return
	}
	c.shard.hub.opts.Logger.Error("panic while serving a connection", slog.String("connection", c.id),
		slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.endLocked(c, notify.CloseInternal)
	c.dropQueueLocked() // which might be what it panics at
	c.shard.taken.Broadcast()
}
