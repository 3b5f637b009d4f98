package notify

import (
	"context"
	"net/netip"
	"time"
)

// Peers reaches the connections of all nodes, including this one, for everything that is not
// journalled. A single node is its own only peer.
//
// Nothing is sent again to a node that could not be reached. Everything that must not be lost
// goes through the Journal. The kind of an error is ErrUnavailable if no other node was
// reached, and ErrOutcomeUnknown if some may have been.
type Peers interface {
	// Deliver delivers an ephemeral notification to the connections of its users and
	// topics. It does not wait for any connection.
	Deliver(ctx context.Context, n *Notification) error

	// Connections returns the open connections of u on all nodes. It waits at most two
	// seconds for a node, and then names it in Incomplete.
	Connections(ctx context.Context, u UserID) (Connections, error)

	// CountConnections returns how many connections each of at most MaxUsers users has open on
	// all nodes, with one request to each node. It waits as Connections does.
	CountConnections(ctx context.Context, users []UserID) (ConnectionCounts, error)

	// Disconnect closes all connections of u, or only the one with an ID if connection is
	// not empty. Clients may connect again. It is no error if there is no such connection.
	Disconnect(ctx context.Context, u UserID, connection string) error
}

// Connections are the open connections of a user.
type Connections struct {
	Open       []Connection // oldest first
	Incomplete []string     // names of the nodes that have not answered
}

// ConnectionCounts are the numbers of open connections of some users, in their order.
type ConnectionCounts struct {
	Of         []ConnectionCount
	Incomplete []string // names of the nodes that have not answered
}

// ConnectionCount is the number of open connections of a user.
type ConnectionCount struct {
	Number int
	Since  time.Time // of the oldest; zero: there is none
}

// Plus returns the count of both.
func (c ConnectionCount) Plus(o ConnectionCount) ConnectionCount {
	since := c.Since
	if c.Number == 0 || o.Number > 0 && o.Since.Before(since) {
		since = o.Since
	}
	return ConnectionCount{c.Number + o.Number, since}
}

// Connection describes an open connection to operators.
type Connection struct {
	ID        string
	Transport string // "websocket" or "events"
	Node      string // name of its node
	Since     time.Time
	Address   netip.Addr // of the client; invalid if unknown
}
