package notify

import (
	"context"
	"net/netip"
	"time"
)

// Peers reaches the connections of all nodes, this one included, with what is not
// journalled. A node that has no others is its own and only peer.
//
// Nothing is repeated for a node that cannot be reached: what must not be missed
// goes through the Journal. The kind of an error is ErrUnavailable if no other
// node was reached, and ErrOutcomeUnknown if some may have been.
type Peers interface {
	// Deliver delivers n, which is ephemeral, to the connections of its users and
	// topics. It waits for no connection.
	Deliver(ctx context.Context, n *Notification) error

	// Connections returns the open connections of u, oldest first. It returns those
	// that it knows of beside an error.
	Connections(ctx context.Context, u UserID) ([]Connection, error)

	// Disconnect ends the connections of u, or the one with an ID. Clients may
	// connect again. There need not be such a connection.
	Disconnect(ctx context.Context, u UserID, connection string) error
}

// Connection is an open connection as operators see it.
type Connection struct {
	ID        string
	Transport string // "websocket" or "events"
	Node      string // that holds it
	Since     time.Time
	Address   netip.Addr // of the client; invalid if it is not known
}
