// Package ws carries connections over WebSockets (RFC 6455). It moves messages; what
// they mean is for a [protocol.Protocol].
//
// It guarantees that a peer receives whole frames, each with at most 64 KiB, in the
// order in which they were queued; that it receives the reason for the end of its
// connection where that can still be sent; that its messages are carried out in order,
// one at a time; and that whatever it sends costs a bounded amount of memory and time.
//
// gorilla/websocket makes the handshake and reads; it writes nothing but the
// handshake. Frames, pings, pongs and closes are written by this package, behind one
// lock, everything that is queued with one system call.
//
// # Opening
//
// If the protocol knows from the request who connects, the connection is registered
// with the hub and joins immediately. Otherwise it is unauthenticated until its first
// message says who connects:
//
//	request ── protocol.Accept ──┬─ Start ──────────────────────────────▶ start
//	                             │                                          ▲
//	                             └─ no Start ─▶ upgrade ─▶ firstMessage ────┘
//	                                                            │ timeout, size, token,
//	                                                            ▼ number, drain
//	                                                          close
//
// Unauthenticated connections are bounded in number, in all and for each address, in
// time and in bytes. They are not registered with the hub, so they receive nothing. The
// bounds are Options and not settings of the service: bellhop v1, the only protocol that
// the service offers, takes the token or ticket from the request and refuses a request
// without a valid one before the upgrade. It never has an unauthenticated connection.
//
// # Reader
//
// A connection that only receives has no goroutine: on Linux, a poller watches its
// socket with epoll and handles pongs itself.
//
//	start ─▶ joining ─▶ parked ──── anything but pongs, or the end ────▶ reading
//	            │          (poller)                                        │
//	            │                                                          ▼
//	            └── data came with the request, TLS, no epoll ──────▶ reading ─▶ drainInput ─▶ closed
//
// Exactly one call changes parked to false, and that one starts the reader. The reader
// stays until the connection has ended; then it reads and discards what the peer still
// sends, and closes the socket. The writer is the hub's: see package hub.
//
// # Locks
//
// netConn.mu (one write at a time) before netConn.queueMu. The hub's shard lock is
// never held while either is acquired for a write to the network. The file descriptor
// lock of package net before poller.mu.
package ws
