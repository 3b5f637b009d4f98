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

// batch is the queue of a connection, and what its writer has in flight.
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
