// Package hub knows the connections of this node, by user, and delivers events to them.
//
// It guarantees that no delivery waits for a peer: an event is queued, and a connection
// whose queue is full is ended immediately; its client finds what it missed in the history
// when it reconnects. Each connection receives events in one order, none twice and, from
// the moment it goes live, without a gap. A connection that is ended receives the reason
// where that can still be sent, once.
//
// The hub also limits: the connections of a user, of an address and in total, and the
// bytes queued for one connection and for all. A connection beyond a limit is refused
// before the upgrade, or an existing one is ended. A principal's newer token or a
// revocation takes effect on the connections that were opened with the older token.
//
// A million idle connections must fit, so an idle [Conn] is a small struct and nothing
// else: no goroutine, channel or timer of its own. Queueing an event for an idle
// connection starts its writer, which ends when the queue is empty; one timer wheel per
// shard serves all connections.
//
// The hub leaves to others what events mean to clients, what the history holds and how
// bytes reach the peer: package protocol encodes events, package service joins history
// and live delivery, and a [Transport] writes.
//
// # A connection
//
//	            Register          GoLive               End, or a full queue
//	unregistered ──────▶ joining ───────▶ live ─────────────────▶ ended
//	                        └────────────────────────────────────────▲
//
// While it is joining, deliveries only raise the sequence that it must reach before it
// can go live; ephemeral events are kept until then, up to a limit.
//
// # The writer of a connection
//
// At most one goroutine at a time is the writer of a connection: it has set writing, by
// claimLocked.
//
//	idle ── event queued, ping due or end ──▶ claimed ──┬── by Deliver or GoLive: writes at once
//	  ▲                                                 └── ready list ──▶ worker
//	  │                                                                      │
//	  │ nothing left                                                         ▼
//	  └──────────────────────────────────────────────────────────────── writeOnce ◀─┐
//	                                                                 │        │      │
//	                                  the peer does not take all ────┘        │      │
//	                                  at once: writeRest, in a goroutine ─────┼──────┘
//	                                  of its own, waits                       │
//	                                                        ended, queue empty: closeTransport
//	                                                        calls Transport.Close
//
// If the writer has not finished within CloseTimeout after the end, because the peer reads
// too slowly, closeOverdue calls Transport.Close, and the write fails. Transport.Close is
// called once.
//
// # Locks
//
// In the order in which they may be acquired:
//
//  1. shard.mu guards the connections of some users and everything below them. It is
//     never held while a socket is written or closed, while the store is read, or while
//     an event is encoded.
//  2. subscriptions.mu, the index of topic patterns over all shards.
//  3. ready.mu, the list of connections that wait for a worker.
//  4. Admission.mu.
//
// No two shards are locked at a time, and no two of the locks 2 to 4. Event.mu is held only
// while an event is encoded, by a transport that holds none of these. A transport may hold
// its own locks while it calls Conn.End: under shard.mu, the hub calls only its Name,
// Nonblocking and Size, which must acquire no lock.
package hub
