// Package notify holds the words of the service: what a notification, an
// entry, a principal and an error are, and the contract of the journal. It
// knows no library and does nothing; the other packages speak to each other in
// its types.
//
// # From a request to a screen
//
// A backend sends POST /notify. Package httpapi checks its token with package
// auth, which makes a [Principal] of it, and has package wire read the body
// into a [Draft]. Package service checks that the principal may publish and that
// the draft keeps the rules, gives it an ID and writes it as the content of a
// [Publish] entry.
//
// The [Journal] puts that entry behind all others. One goroutine, the
// committer, takes every entry that waits, gives each its [Sequence] and all
// the same time, has package store apply them to one batch, and commits that
// batch with one fsync. Applying decides what can be decided only once, such as
// whether an idempotency key had been used; the [Verdict] says what came of it.
// Now the sequence is durable, and the request is answered: 202.
//
// The applied notifications go on, in order, to package hub, which knows the
// open connections of each user on this node and offers them the
// [Notification]. It never waits: a connection whose queue is full is ended and
// comes back with its cursor. Otherwise the connection's writer, package ws for
// a WebSocket, frames it and writes it to the socket, and a screen shows it.
//
// A user who was away connects with the cursor of the last frame that was
// handled. Package service reads from the store what came after, sends that, and
// joins the connection to the live road without a gap and without a repeat. If
// retention has removed something in between, it says so first.
//
// A command on a socket takes the same road as a request.
package notify
