// Package hub knows who is connected to this node, by user, and delivers to
// them.
//
// It promises that nothing makes it wait: whoever delivers only queues, a
// connection whose queue is full is ended at once, and what it missed it finds
// in its history when it comes back. It promises each connection one order, no
// repeat and, from the moment it goes live, no gap; and that a connection
// which is ended is told why where that can still be said, once.
//
// It also counts: the connections of a user, of an address and in all, and the
// bytes queued on one and on all. What would be too many is refused before the
// upgrade, or ends a connection; a principal's newer token or a revocation
// reaches the connection that goes by it.
//
// A million idle connections must fit, so an idle [Conn] is a small struct and
// nothing else: no goroutine, channel or timer of its own. Whoever queues
// something on an idle connection starts its writer, which leaves when the
// queue is empty; one timer wheel serves all.
//
// What frames mean, what history holds and how bytes reach the peer it leaves
// to others: package service joins history and live, and a [Transport] does the
// rest.
package hub
