// Package ws carries connections over WebSockets (RFC 6455).
//
// It promises that a peer sees whole frames, each at most 64 KiB, and in the
// order in which they were queued; that it is told why its connection ends
// where that can still be said; that its commands are answered in order, one at
// a time; and that whatever it sends costs a bounded amount. An idle connection
// is one goroutine that reads, and its buffers of a few hundred bytes.
//
// gorilla/websocket makes the handshake and reads; it writes nothing but the
// handshake. Frames, pings, pongs and closes are written here, behind one lock,
// all that is queued with one system call.
//
// Who may connect is decided before: the request's context holds the
// principal. What is told, and when, is package service's and package hub's.
package ws
