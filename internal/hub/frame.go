package hub

import "github.com/bellhop/bellhop/internal/notify"

// Frame is something to tell a connection, encoded but for its cursor, which
// is another for each user. It is not changed once it was offered: all
// connections share it.
type Frame struct {
	Event    string
	Sequence notify.Sequence // what the cursor stands for; 0: no cursor
	Ref      string          // of the command that it answers
	Data     []byte          // JSON
}

// size is what f counts towards the bound of a queue.
func (f *Frame) size() int { return len(f.Event) + len(f.Ref) + len(f.Data) }

// Transport is the outward side of a connection: a WebSocket or an event
// stream. Several goroutines may use it at once.
type Transport interface {
	// Name is what operators read: "websocket".
	Name() string

	// Write writes frames in order with one system call, and keeps nothing of
	// them. With wait, it waits for the peer, for at most ten seconds. Without,
	// it writes what the network takes at once; done is false if there is a
	// rest, which the transport keeps and the next Write or Ping writes first.
	Write(frames []*Frame, wait bool) (done bool, err error)

	// Tries reports whether Write without wait writes what the network takes.
	// If not, all it is given is a rest.
	Tries() bool

	// Ping asks the peer for a sign of life, as Write does without wait.
	Ping() (done bool, err error)

	// Close says why, where that can still be said, and lets the peer go; a
	// Write under way fails soon. It is called once, and may take a second or two.
	Close(why notify.Close)
}

// queue is what a connection has queued. Most have one frame at a time, for which
// there is room here: were it a batch, a broadcast that is queued faster than it
// is written would make one for each connection.
type queue struct {
	only  *Frame // nil: none, or more than one
	batch *batch
}

func (q *queue) isEmpty() bool { return q.only == nil && q.batch == nil }

// size returns how many frames are queued, and their bytes.
func (q *queue) size() (n, bytes int) {
	switch {
	case q.only != nil:
		return 1, q.only.size()
	case q.batch != nil:
		return len(q.batch.frames), q.batch.bytes
	}
	return 0, 0
}

func (q *queue) add(h *Hub, f *Frame) {
	switch {
	case q.isEmpty():
		q.only = f
		return
	case q.batch == nil:
		q.batch = h.newBatch()
		q.batch.add(q.only)
		q.only = nil
	}
	q.batch.add(f)
}

// take empties the queue, which is not empty.
func (q *queue) take(h *Hub) *batch {
	b := q.batch
	if b == nil {
		b = h.newBatch()
		b.add(q.only)
	}
	*q = queue{}
	return b
}

// batch is several frames that wait, or what a writer has in flight.
type batch struct {
	frames []*Frame
	bytes  int
}

func (b *batch) add(f *Frame) {
	b.frames = append(b.frames, f)
	b.bytes += f.size()
}

// newBatch returns an empty batch that was used before, so that queueing
// allocates nothing.
func (h *Hub) newBatch() *batch {
	if b, ok := h.batches.Get().(*batch); ok {
		return b
	}
	return new(batch)
}

func (h *Hub) freeBatch(b *batch) {
	clear(b.frames)
	b.frames, b.bytes = b.frames[:0], 0
	h.batches.Put(b)
}
