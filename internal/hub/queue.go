package hub

import "time"

// queue holds the events that are queued for a connection. Most connections have one at
// a time, which needs no batch: otherwise a broadcast that is queued faster than it is
// written would need one for each connection.
type queue struct {
	only  *Event // nil: none, or more than one
	batch *batch
}

func (q *queue) isEmpty() bool { return q.only == nil && q.batch == nil }

// size returns how many events are queued, and their bytes.
func (q *queue) size(t Transport) (n, bytes int) {
	switch {
	case q.only != nil:
		return 1, t.Size(q.only)
	case q.batch != nil:
		return len(q.batch.events), q.batch.bytes
	}
	return 0, 0
}

func (q *queue) add(h *Hub, t Transport, e *Event, size int) {
	switch {
	case q.isEmpty():
		q.only = e
		return
	case q.batch == nil:
		q.batch = h.newBatch()
		q.batch.add(q.only, t.Size(q.only))
		q.only = nil
	}
	q.batch.add(e, size)
}

// takeAll removes and returns everything that is queued. The queue must not be empty.
func (q *queue) takeAll(h *Hub, t Transport) *batch {
	b := q.batch
	if b == nil {
		b = h.newBatch()
		b.add(q.only, t.Size(q.only))
	}
	*q = queue{}
	return b
}

// batch is several events that are queued, or that a writer has in flight.
type batch struct {
	events []*Event
	bytes  int
	since  time.Time // see written; set when a writer takes the batch
}

func (b *batch) add(e *Event, size int) {
	b.events = append(b.events, e)
	b.bytes += size
}

// newBatch returns an empty batch, if possible one that was used before, so that queueing
// allocates nothing.
func (h *Hub) newBatch() *batch {
	if b, ok := h.batches.Get().(*batch); ok {
		return b
	}
	return new(batch)
}

func (h *Hub) freeBatch(b *batch) {
	clear(b.events)
	b.events, b.bytes, b.since = b.events[:0], 0, time.Time{}
	h.batches.Put(b)
}

// hasBudgetFor reports whether n bytes are at most half of what is left in the budget.
func (h *Hub) hasBudgetFor(n int) bool {
	left, limited := h.budget.Left()
	return !limited || 2*int64(n) <= left
}

// Queued returns the size of the send queues of all connections, and 0 if that is not
// limited.
func (h *Hub) Queued() int64 { return h.budget.Taken() }

// queuedLocked returns how many bytes are queued for c, are held until it is live, or are
// being written.
func (c *Conn) queuedLocked() int {
	_, n := c.queue.size(c.transport)
	n += int(c.flightBytes)
	if c.held != nil {
		n += c.held.bytes
	}
	return n
}
