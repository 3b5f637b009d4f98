// Package protocol separates what clients and the service say to each other from the
// transports that carry it. A transport (ws, sse) moves bytes: messages, deadlines,
// pings. A [Protocol] gives them a meaning: how a connection is opened, what a client's
// message asks for, and how an event of package hub is written. Each protocol is a
// package in a folder of this one.
//
// A protocol calls package service to carry out what clients ask for, and needs no
// change there, nor in the hub or the store: events are typed, and encoded once for
// each protocol in use.
package protocol

import (
	"context"
	"net/http"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// Protocol opens connections.
type Protocol interface {
	// Accept reads the request that opens a connection: its headers, query and
	// context. An error is answered over HTTP, and there is no connection.
	Accept(r *http.Request) (Opening, error)
}

// Opening is what a protocol has read from a request.
type Opening struct {
	Session Session

	// Subprotocol is confirmed in the handshake of a WebSocket; empty: none is.
	Subprotocol string

	// Start says who connects. nil: that is in the first message of the client, which
	// Session.Authenticate reads. Until then the transport bounds how many such
	// connections there are, for how long, and how many bytes they send.
	Start *Start
}

// Start says who connects and where the connection starts.
type Start struct {
	Principal notify.Principal // with a user
	Cursor    string           // as of package service's Join
}

// Session is what a protocol does on an open connection. A protocol that keeps
// nothing per connection returns the same Session for all, which saves memory on each.
type Session interface {
	Encoder

	// Authenticate reads the first message of a client, if Opening.Start was nil. Its
	// error is of a kind in package notify; CloseFor says how the connection ends.
	Authenticate(ctx context.Context, message []byte) (Start, error)

	// Receive carries out a message of the client and offers c the answer. The
	// transport calls it for one message after the other. It returns nil, or why the
	// connection must end: the message was no message of this protocol. It may keep
	// parts of the message.
	Receive(c *hub.Conn, message []byte) *notify.Close
}

// Encoder writes what a client receives. Its methods may be called by several
// goroutines concurrently.
type Encoder interface {
	// Size is as in hub.Transport.
	Size(e *hub.Event) int

	// AppendEvent appends the message for an event. The cursor of its sequence is that
	// of the user with a tag.
	AppendEvent(dst []byte, e *hub.Event, user cursor.Tag) []byte

	// AppendClose appends the last message of a connection, if the protocol has one,
	// and returns the code and the reason of the WebSocket's close frame.
	AppendClose(dst []byte, why notify.Close) (message []byte, code int, reason string)
}
