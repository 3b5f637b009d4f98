// Package sse serves connections as event streams: text/event-stream, as the
// HTML standard has it in "Server-sent events". They hear what a WebSocket
// would: the same events in the same order with the same cursors, which are the
// stream's event ids, so that a browser resumes by itself. A stream hears only;
// its client's commands are requests.
//
// Who may connect is settled before a request comes here; what a connection is
// told, in package service; when, in package hub.
package sse
