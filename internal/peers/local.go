package peers

import (
	"context"

	"github.com/bellhop/bellhop/internal/notify"
)

// Local is the notify.Peers of a node that has no others, and the notify.Lease that it
// always holds.
type Local struct {
	node    string
	hub     Hub
	deliver func(notify.Change)
}

// NewLocal returns the peers of a node with a name. deliver delivers a change to the
// connections of h, and does not wait for any of them.
func NewLocal(node string, h Hub, deliver func(notify.Change)) *Local {
	return &Local{node: node, hub: h, deliver: deliver}
}

// Deliver implements notify.Peers.
func (l *Local) Deliver(_ context.Context, n *notify.Notification) error {
	l.deliver(n)
	return nil
}

// Connections implements notify.Peers.
func (l *Local) Connections(_ context.Context, u notify.UserID) (notify.Connections, error) {
	return notify.Connections{Open: l.connections(u)}, nil
}

func (l *Local) connections(u notify.UserID) []notify.Connection {
	all := l.hub.Connections(u)
	for i := range all {
		all[i].Node = l.node
	}
	return all
}

// CountConnections implements notify.Peers.
func (l *Local) CountConnections(_ context.Context, users []notify.UserID) (notify.ConnectionCounts, error) {
	return notify.ConnectionCounts{Of: l.count(users)}, nil
}

func (l *Local) count(users []notify.UserID) []notify.ConnectionCount {
	counts := make([]notify.ConnectionCount, len(users))
	for i, u := range users {
		for _, one := range l.hub.Connections(u) {
			counts[i] = counts[i].Plus(notify.ConnectionCount{Number: 1, Since: one.Since})
		}
	}
	return counts
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
