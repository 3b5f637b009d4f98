// Package sse serves connections as event streams: text/event-stream, as the section
// "Server-sent events" of the HTML standard defines it. It moves bytes; what they say is
// for a [protocol.Protocol]. A stream carries events to the client only: the client's
// commands are HTTP requests.
//
// # Locks
//
// stream.writing (one write at a time) before stream.mu, which is never held while the
// network is written to.
package sse
