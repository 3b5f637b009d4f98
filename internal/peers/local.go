// Package peers reaches the connections of all nodes with what is not journalled:
// ephemeral notifications, and the lists and disconnects of operators. So far a
// node has no others, and Local is all there is.
package peers

import (
	"context"

	"github.com/bellhop/bellhop/internal/notify"
)

// Hub holds the connections of this node: package hub.
type Hub interface {
	Connections(u notify.UserID) []notify.Connection
	Disconnect(u notify.UserID, connection string, why notify.Close) int
}

// Local is the notify.Peers of a node that has no others, and the notify.Lease that
// it always holds.
type Local struct {
	node    string
	hub     Hub
	deliver func(notify.Change)
}

// NewLocal returns the peers of a node with a name. deliver delivers a change to
// the connections of h, and waits for none.
func NewLocal(node string, h Hub, deliver func(notify.Change)) *Local {
	return &Local{node: node, hub: h, deliver: deliver}
}

// Deliver implements notify.Peers.
func (l *Local) Deliver(_ context.Context, n *notify.Notification) error {
	l.deliver(n)
	return nil
}

// Connections implements notify.Peers.
func (l *Local) Connections(_ context.Context, u notify.UserID) ([]notify.Connection, error) {
	all := l.hub.Connections(u)
	for i := range all {
		all[i].Node = l.node
	}
	return all, nil
}

// Disconnect implements notify.Peers.
func (l *Local) Disconnect(_ context.Context, u notify.UserID, connection string) error {
	l.hub.Disconnect(u, connection, notify.CloseDisconnected)
	return nil
}

// Acquire implements notify.Lease.
func (l *Local) Acquire(ctx context.Context) (held context.Context, release func(), err error) {
	return ctx, func() {}, ctx.Err()
}
