// Package notify has the types, errors and contracts that the other packages share. It uses
// only the standard library.
//
// # From a request to a screen
//
// A backend sends POST /notify. Package httpapi verifies its token with package auth, which
// returns a [Principal], and reads the body with package wire into a [Draft]. Package service
// checks that the principal may publish and that the draft is valid, gives it an ID, and
// makes a [Publish] entry of it.
//
// The [Journal] appends the entry. One goroutine, the committer, collects all queued
// entries, gives each its [Sequence] and all of them the same time, has package store apply
// them in one batch, and commits the batch with one fsync. Applying an entry decides its
// outcome, the [Verdict], for example whether an idempotency key was used before. Now the
// entry is durable, and the request is answered with 202.
//
// Applying an entry also returns the [Change] values that open connections must receive. They go to
// package hub in the journal's order. The hub has the open connections of each user on this
// node and queues an event for each of them. It never waits: a connection whose queue is full
// is closed, and its client resumes from its cursor. A writer then encodes the event by the
// protocol of the connection, and package ws or sse writes it to the socket.
//
// A command on a socket takes the same path as a request.
//
// # Resuming
//
// A client that was away connects with the cursor of the last event that it has handled.
// Package service reads the later notifications from the store, sends them, and adds the
// connection to live delivery without a gap or a repetition. If retention has removed
// something in between, the client is informed first.
//
// # The inbox
//
// A stored notification is in the history of each user, of each topic, or of everyone. It is
// unread, read or archived for each user separately. A [Mark] changes this state, and all
// devices of the user receive an [InboxChange] with the new number of unread notifications. If an
// entry changes the number for many users, such as the recall of a broadcast, a [Recount]
// asks the hub to send each connection its number within a second.
//
// A notification leaves the inbox when it expires, when a newer one with the same collapse
// key replaces it, when a [Recall] takes it back, or when retention removes it. A [Cleanup]
// removes what has expired and what exceeds retention.
//
// # Deferred notifications
//
// A Publish with a later time of delivery is stored immediately and delivered when a [Release]
// entry refers to it. The holder of the [Lease] appends Release and Cleanup entries.
package notify
