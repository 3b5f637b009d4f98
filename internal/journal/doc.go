// Package journal puts entries in one order and makes them durable. The state machine
// decides what an entry changes; the publisher decides whether it may append it.
//
// Local is the journal of a process alone. One goroutine, the committer, collects all
// queued entries into one group, has the state machine apply it durably, and answers the
// publishers.
//
// Cluster is the journal that several nodes share: a stream in NATS JetStream. Groups are
// formed in the same way, with the same queue, the same turns of publishers and the same
// budgets for memory. Each group is sent as one message. The node follows the stream, applies
// all messages to its own store and answers its publishers when their message has come back.
//
//	Append ─▶ queue ─▶ sendAll ─▶ stream ─▶ follow ─▶ applyAll ─▶ deliverer ─▶ connections
//	   ▲                                               │
//	   └───────────────── verdicts ◀───────────────────┘
//
// # What a node of a cluster checks
//
// follow compares the identity of the stream, and the message at the position of the store,
// before it passes any message on, and notices every gap. witness compares the running hash
// of the state with those of other nodes. probe notices that the servers have no majority, and
// clock that the clock of the node is wrong. CatchUp finds out whether the node has applied what
// another one has acknowledged. The package keeps the terms of NATS to itself, apart from the
// connection, which package peers uses, too.
//
// # Checkpoints
//
// Checkpoints keeps copies of stores in JetStream's object store, from which new, late and
// damaged nodes start, so that the stream can be purged behind them.
package journal
