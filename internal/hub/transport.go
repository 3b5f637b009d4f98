package hub

import "github.com/bellhop/bellhop/internal/notify"

// Transport is the outward side of a connection: a WebSocket or an event
// stream. Several goroutines may use it at once.
type Transport interface {
	// Name is the transport's name for operators: "websocket".
	Name() string

	// Size returns how many bytes e counts as while it is queued: at least its
	// encoding for this transport, always the same for one event. It is called with
	// locks held, and so must not wait.
	Size(e *Event) int

	// Write writes events in order with one system call, and keeps none of
	// them. With wait, it waits for the peer, for at most ten seconds. Without,
	// it writes what the network takes at once; done is false if there is a
	// rest, which the transport keeps and the next Write or Ping writes first.
	Write(events []*Event, wait bool) (done bool, err error)

	// Tries reports whether Write without wait writes what the network takes.
	// If not, Write only adds to the rest.
	Tries() bool

	// Ping asks the peer for a sign of life, as Write does without wait.
	Ping() (done bool, err error)

	// Close sends the reason, where that is still possible, and closes the
	// connection; a Write under way fails soon. It is called once, and may take a
	// second or two.
	Close(why notify.Close)
}
