package hub

import "sync/atomic"

// budget is how many bytes are queued for all connections, and may be. Frames
// that connections share count once for each.
type budget struct {
	most   int64 // 0: any number, and they are not counted
	queued atomic.Int64
}

// take adds n bytes for a connection that has had bytes queued already. It
// reports false if they are more than is left: no connection has more than all
// the others leave, so that it is the one with much who goes, and somebody with
// nothing finds room.
func (b *budget) take(n, had int) bool {
	if b.most == 0 {
		return true
	}
	if b.queued.Add(int64(n))+int64(had) <= b.most {
		return true
	}
	b.queued.Add(-int64(n))
	return false
}

// has reports whether n is at most half of what is left.
func (b *budget) has(n int) bool {
	return b.most == 0 || 2*int64(n) <= b.most-b.queued.Load()
}

// giveBack takes n bytes off: they were written, or dropped.
func (b *budget) giveBack(n int) {
	if b.most != 0 && n != 0 {
		b.queued.Add(-int64(n))
	}
}

// Queued returns how many bytes are queued for all connections, and 0 if that
// is not limited.
func (h *Hub) Queued() int64 { return h.budget.queued.Load() }

// queued returns how many bytes wait to be written on c, or to be queued, or
// are being written. The shard's lock is held.
func (c *Conn) queued() int {
	_, n := c.queue.size()
	n += int(c.flightBytes)
	if c.held != nil {
		n += c.held.bytes
	}
	return n
}
