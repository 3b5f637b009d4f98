package notify

import (
	"context"
	"errors"
)

// Journal puts entries in one order and makes them durable. Every node applies the same
// entries in the same order.
type Journal interface {
	// Append appends entries of one publisher, in this order and behind all that the
	// publisher has appended before; entries of others may come in between. It returns
	// a verdict for each entry once it is durable and applied on this node. An entry
	// with Verdict.Err of kind ErrUnavailable was not stored; one of kind
	// ErrOutcomeUnknown may have been.
	Append(ctx context.Context, entries ...Entry) []Verdict

	// Durable returns the last sequence that no power cut can take back. Nothing behind
	// it is delivered, replayed or listed.
	Durable() Sequence

	// Ready returns nil if entries can be appended and this node has applied all entries
	// up to a moment ago, and otherwise an error of kind ErrUnavailable that says why
	// not.
	Ready() error

	// CatchUp returns when this node has applied every entry that any node had applied
	// before the call. It gives up when ctx ends, and after at most ten seconds. In a
	// process alone it returns immediately.
	CatchUp(ctx context.Context)
}

// ErrNotApplied says that an entry has a sequence and has changed nothing, since it is
// unknown or invalid, or since the program has a fault that it brought to light.
var ErrNotApplied = errors.New("the entry could not be applied")
