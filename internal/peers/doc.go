// Package peers reaches the connections of all nodes with everything that is not journalled:
// ephemeral notifications, and the lists and disconnects of operators. It also knows which
// nodes there are, and chooses the one that runs upkeep.
//
// [Local] is for a node that has no others. [Cluster] uses NATS without JetStream: a message
// reaches the nodes that are connected at that moment, and is not repeated. Everything that
// must not be lost goes through the journal. A node whose own messages do not come back from NATS
// is cut off from the others: it says so, and refuses ephemeral notifications.
//
// # Subjects
//
// The subjects of a cluster begin with "bellhop.<stream>.peers.". None contains text of a
// caller: users, topics and content are in the payloads, which have a version.
//
//	beat         every node, once a second: its name, version and state
//	who          asks all nodes for a beat
//	ephemeral    an ephemeral notification
//	connections  asks all nodes for the connections of a user
//	counts       asks all nodes how many connections some users have
//	disconnect   asks all nodes to close connections of a user
package peers

import "github.com/bellhop/bellhop/internal/notify"

// Hub has the connections of this node: package hub.
type Hub interface {
	Connections(u notify.UserID) []notify.Connection
	Disconnect(u notify.UserID, connection string, why notify.Close) int
}
