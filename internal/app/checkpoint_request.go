package app

import (
	"context"
	"errors"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// writeCheckpoint returns the httpapi.CheckpointWriter of the node, nil if it is alone.
func (s *node) writeCheckpoint() httpapi.CheckpointWriter {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.writer.request
}

// request is the httpapi.CheckpointWriter of a node of a cluster. It needs no lease: two nodes that
// write checkpoints at once do the same work twice. The checkpoint has everything that any node has
// acknowledged before, and its files have nothing that was erased before.
func (c *checkpointer) request(ctx context.Context) (httpapi.ClusterCheckpoint, error) {
	written, err := c.writeNow(ctx)
	switch {
	case err == nil || errors.Is(err, notify.ErrUnavailable) || errors.Is(err, notify.ErrDraining):
	case c.ctx.Err() != nil:
		err = errStopping
	case ctx.Err() != nil:
		err = notify.Errorf(notify.ErrOutcomeUnknown, "the checkpoint was given up, because the client has gone")
	case errors.Is(err, store.ErrSpace):
		err = notify.Unavailable(notify.CauseDiskFull, "the disk has too little free space to remove an erased user from the files, which come first")
	default:
		c.failures.Add(1)
		err = &notify.Error{
			Kind: notify.ErrUnavailable, Cause: notify.CauseJournal, Reason: err.Error(),
			Detail: "the checkpoint cannot be written, or older ones cannot be removed; the log of this node has the reason",
		}
	}
	return describe(written), err
}

func (c *checkpointer) writeNow(ctx context.Context) (written journal.Checkpoint, err error) {
	ctx, cancel := c.untilEnd(ctx)
	defer cancel()
	if err := c.ready(); err != nil {
		return written, err
	}
	if err := c.prepare(ctx); err != nil {
		return written, err
	}
	if err := c.ready(); err != nil {
		return written, err
	}
	if written, err = c.write(ctx); err != nil {
		return written, err
	}
	return written, c.removeOld(ctx, keptCheckpoints)
}

func describe(cp journal.Checkpoint) httpapi.ClusterCheckpoint {
	return httpapi.ClusterCheckpoint{Message: cp.Position, Sequence: cp.Sequence, Node: cp.Node, Bytes: cp.Bytes, Written: cp.Written.UTC()}
}
