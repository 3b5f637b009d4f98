// Package sse serves connections as event streams: text/event-stream, as the section
// "Server-sent events" of the HTML standard defines it. It moves bytes; what they say is
// for a [protocol.Protocol]. A stream carries events to the client only: the client's
// commands are HTTP requests.
//
// # Locks
//
// In the order in which they may be acquired: stream.writing (one write at a time), then
// stream.mu, then the lock of an event or of the hub's shard, since an event is encoded and
// a connection is ended under stream.mu. stream.mu is never held while the network is
// written to.
package sse
