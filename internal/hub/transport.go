package hub

import "github.com/bellhop/bellhop/internal/notify"

// Transport is the outward side of a connection: a WebSocket or an event
// stream. Several goroutines may use it concurrently.
type Transport interface {
	// Name is the transport's name for operators: "websocket".
	Name() string

	// Size returns how many bytes e counts as while it is queued: at least its
	// encoding for this transport, always the same for one event. It is called with
	// locks held, and so must not wait.
	Size(e *Event) int

	// Write writes events in order with one system call, and keeps none of
	// them. With wait, it waits for the peer, for at most ten seconds. Without,
	// it writes only what the network accepts immediately; done is false if there
	// is a rest, which the transport keeps and the next Write or Ping writes first.
	Write(events []*Event, wait bool) (done bool, err error)

	// Nonblocking reports whether Write without wait writes what the network
	// accepts. If not, such a Write only keeps the events for the next one.
	Nonblocking() bool

	// Ping sends a ping, in the way of Write without wait.
	Ping() (done bool, err error)

	// Close sends the reason, if that is still possible, and closes the
	// connection; a Write under way fails soon. It is called once, and may take a
	// second or two.
	Close(why notify.Close)
}
