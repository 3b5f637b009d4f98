package notify

import "context"

// Lease chooses the node that runs upkeep: it removes expired entries and delivers
// deferred notifications. A node that has no others always holds the lease.
type Lease interface {
	// Acquire waits until this node holds the lease. held ends when the lease is lost
	// or ctx ends, and upkeep stops then. The caller calls release when it has stopped.
	//
	// For a moment, a node that has lost the lease and the next holder may both run
	// upkeep, so its entries must do no harm when they are appended twice.
	Acquire(ctx context.Context) (held context.Context, release func(), err error)
}
