package app

import (
	"context"
	"errors"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// newCheckpointer returns what writes the checkpoints of this node, which has caught up with the journal:
// before, a new store does not know which one it follows.
func (c *membership) newCheckpointer() *checkpointer {
	j := c.journal.Load()
	w := &checkpointer{
		store:       c.node.store,
		journal:     j.Position().Journal,
		durable:     j.Durable,
		full:        j.Full,
		stream:      func(ctx context.Context) (journal.StreamInfo, error) { return c.replica.openStream(ctx, true) },
		checkpoints: c.replica.checkpoints,
		lease:       c.peers,
		ready:       c.node.ready,
		catchUp:     j.CatchUp,
		lacks:       c.lacks,
		dir:         c.node.cfg.DataDir,
		node:        c.node.nodeName(),
		logger:      c.node.logger,
		every:       checkpointEvery,
		entries:     checkpointEntries,
		turn:        make(chan struct{}, 1),
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// untilEnd returns a context that ends with ctx, and when end is called.
func (c *checkpointer) untilEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { release(); cancel() }
}

// end gives up a checkpoint that is being written, and waits until that does not use the store any
// more. No other one is written from then on.
func (c *checkpointer) end() {
	c.stop()
	c.turn <- struct{}{}
}

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
	c.catchUp(ctx) // its message gives the checkpoint a position after that of every earlier one, so that it replaces none
	if err := c.ready(); err != nil {
		return written, err
	}
	if err := c.store.Purge(ctx, c.store.Unpurged()); err != nil {
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
