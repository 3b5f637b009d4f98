package hub

import (
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// ready is the list of claimed connections that wait for a worker. A few workers write to
// them in turn, and none waits for a peer: a connection whose peer does not take
// everything at once gets a goroutine of its own until it has.
type ready struct {
	mu      sync.Mutex
	conns   []*Conn // those before head are taken
	head    int
	workers int // that run
}

// shareSize is how many connections a worker takes at a time, and how many the
// delivering goroutine writes to itself.
const shareSize = 16

// add adds c. It reports whether the caller must start one more worker, of at most most.
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

// takeShare moves the next connections into share and returns them. A worker that gets
// none must end.
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

// claimLocked makes the caller the writer of c, unless c has one. If it reports true, the
// caller must release the lock and call write, writeSome or leaveToWorker.
func (c *Conn) claimLocked() bool {
	if c.writing || c.closing {
		return false
	}
	c.writing = true
	c.shard.hub.tasks.Add(1)
	return true
}

// wakeLocked makes sure that c has a writer, which finds what there is to do.
func (c *Conn) wakeLocked() {
	if c.claimLocked() {
		c.leaveToWorker()
	}
}

// leaveToWorker leaves writing to a worker. The caller has claimed c.
func (c *Conn) leaveToWorker() {
	h := c.shard.hub
	if h.ready.add(c, h.workers) {
		h.tasks.Add(1)
		go h.work()
	}
}

// work writes to the connections that are ready, until there are no more.
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

// write writes the queued events, batch by batch, until there are no more. If c has ended
// meanwhile, the reason comes last. Waiting for the peer is left to another goroutine.
// The writer counts as one of the hub's tasks.
func (c *Conn) write() {
	for over := false; !over; {
		over = c.writeOnce()
	}
}

// writeSome is write for a caller with other work: if more events are queued meanwhile,
// it leaves them to a worker.
func (c *Conn) writeSome() {
	const steps = 2 // to write what is queued, and to find that there is no more
	for range steps {
		if c.writeOnce() {
			return
		}
	}
	c.leaveToWorker()
}

// unsure is how long a write may last before the peer counts as slow, if the transport
// cannot write without waiting.
const unsure = 20 * time.Millisecond

// writeRest waits until the peer has taken the rest, and continues to write.
func (c *Conn) writeRest() {
	if c.transport.Tries() {
		c.flush()
	} else {
		c.flushUnsure()
	}
	c.setBlocked(false)
	c.write()
}

// flushUnsure flushes. The peer counts as blocked only when that lasts long: until then,
// a delivered burst must not end the connection as too slow.
func (c *Conn) flushUnsure() {
	late := make(chan struct{})
	timer := time.AfterFunc(unsure, func() {
		defer close(late)
		c.setBlocked(true)
	})
	c.flush()
	if !timer.Stop() {
		<-late // or it might be set after setBlocked(false)
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

// writeOnce does the next step of the writer. It reports whether there was none: then
// its caller is not the writer of c any more. After a panic it reports false.
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

// nextStep returns what the writer must do next: write a batch, send a ping, close, or
// end. In the last two cases it is not the writer of c any more.
func (c *Conn) nextStep() (b *batch, ping bool, bye *notify.Close) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.shard.hub.budget.Give(int64(c.flightBytes))
	c.flight, c.flightBytes = 0, 0
	switch {
	case c.closing: // another goroutine closes
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

// cut closes a connection whose writer did not within CloseTimeout, because the peer
// reads too slowly.
func (c *Conn) cut() {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if !c.closing {
		c.closeLocked()
	}
}

// closeLocked closes the transport beside the writer, if there is one, which then fails
// to write. c must have ended.
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
	c.dropQueueLocked() // an event in it may be the cause of the panic
	c.shard.taken.Broadcast()
}
