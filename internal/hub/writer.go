package hub

import (
	"log/slog"
	"runtime/debug"

	"github.com/bellhop/bellhop/internal/notify"
)

// wake starts a writer, unless there is one: it will find what there is to do.
// The shard's lock is held.
func (c *Conn) wake() {
	if c.writing || c.closing {
		return
	}
	c.writing = true
	c.shard.hub.tasks.Add(1)
	go c.write()
}

// write writes what is queued, batch by batch, and leaves when there is no
// more. If c has ended meanwhile, the last it writes is why.
func (c *Conn) write() {
	h := c.shard.hub
	defer h.tasks.Done()
	defer c.rescue()
	for {
		b, ping, bye := c.take()
		var err error
		switch {
		case b != nil:
			if err = c.transport.Write(b.frames); err == nil {
				h.opts.Metrics.Delivered(len(b.frames))
			}
			h.freeBatch(b)
		case ping:
			err = c.transport.Ping()
		case bye != nil:
			c.transport.Close(*bye)
			return
		default:
			return
		}
		if err != nil {
			h.opts.Logger.Debug("connection lost", slog.String("connection", c.id), slog.Any("error", err))
			c.End(notify.CloseLost)
		}
	}
}

// take returns what the writer is to do next: write a batch, ping, close, or
// leave. When it is to close or leave, it is not c's writer any more.
func (c *Conn) take() (b *batch, ping bool, bye *notify.Close) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.flight, c.flightBytes = 0, 0
	switch {
	case c.closing: // somebody else closes
	case c.queue != nil:
		b, c.queue = c.queue, nil
		c.flight, c.flightBytes = int32(len(b.frames)), int32(b.bytes)
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
		c.closeNow()
	}
}

// closeNow closes the transport beside the writer, if there is one, which then
// finds that it cannot write. The shard's lock is held, and c has ended.
func (c *Conn) closeNow() {
	c.queue = c.drop(c.queue)
	c.closing = true
	c.shard.hub.tasks.Add(1)
	go func() {
		defer c.shard.hub.tasks.Done()
		defer c.rescue()
		c.transport.Close(*c.why)
	}()
}

// rescue keeps a panic in a transport from ending the process: it ends the
// connection alone.
func (c *Conn) rescue() {
	v := recover()
	if v == nil {
		return
	}
	c.shard.hub.opts.Logger.Error("panic in a connection's transport", slog.String("connection", c.id),
		slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	c.writing = false
	c.shard.end(c, notify.CloseInternal)
	if c.phase == ended {
		c.wake() // if it is not closing, nobody else would
	}
}
