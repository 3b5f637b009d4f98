package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// checkpointer writes checkpoints of a node's store while the node holds the lease of the
// cluster. It removes old ones, and the messages of the journal that are in the others.
type checkpointer struct {
	store       *store.Store
	journal     string // identity of the journal
	durable     func() notify.Sequence
	checkpoints *journal.Checkpoints
	lease       notify.Lease
	dir         string // data directory
	node        string
	logger      *slog.Logger

	every   time.Duration // a checkpoint is due when the last one is older and there are new entries
	entries uint64        // or when there are as many new entries
}

// Defaults of a checkpointer, and its times.
const (
	checkpointEvery   = time.Hour
	checkpointEntries = 1_000_000
	keptCheckpoints   = 2
	checkpointCheck   = 10 * time.Second
	checkpointRetry   = time.Minute
)

// writeDir is where a checkpoint is while it is uploaded, on the disk of the store, so that its
// tables take no space.
const writeDir = "checkpoint.upload"

// run writes checkpoints when they are due, until ctx ends.
func (c *checkpointer) run(ctx context.Context) {
	for ctx.Err() == nil {
		held, release, err := c.lease.Acquire(ctx)
		if err != nil {
			return // ctx has ended
		}
		c.runLeased(held)
		release()
	}
}

func (c *checkpointer) runLeased(ctx context.Context) {
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = checkpointCheck
		if err := c.writeIfDue(ctx); err != nil && ctx.Err() == nil {
			c.logger.Warn("a checkpoint cannot be written; trying again", "after", checkpointRetry, "error", err)
			wait = checkpointRetry
		}
	}
}

// writeIfDue writes a checkpoint if one is due. Then it removes what nobody needs any longer.
func (c *checkpointer) writeIfDue(ctx context.Context) error {
	all, err := c.checkpoints.List(ctx, c.journal)
	if err != nil || !c.isDue(all) {
		return err
	}
	if err := c.write(ctx); err != nil {
		return err
	}
	if err := c.checkpoints.Prune(ctx, c.journal, keptCheckpoints); err != nil {
		return err
	}
	if all, err = c.checkpoints.List(ctx, c.journal); err != nil || len(all) < keptCheckpoints {
		return err
	}
	return c.checkpoints.PurgeJournal(ctx, c.journal, all[keptCheckpoints-1].Position)
}

func (c *checkpointer) isDue(all []journal.Checkpoint) bool {
	if len(all) == 0 {
		return true
	}
	last, now := all[0], c.durable()
	switch {
	case now <= last.Sequence:
		return false
	case uint64(now-last.Sequence) >= c.entries:
		return true
	default:
		return time.Since(last.Written) >= c.every
	}
}

// write writes a checkpoint of the store.
func (c *checkpointer) write(ctx context.Context) (err error) {
	dir := filepath.Join(c.dir, writeDir)
	if err := os.RemoveAll(dir); err != nil { // of a process that was killed
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := c.store.Checkpoint(ctx, dir); err != nil {
		return err
	}
	found, err := store.InspectCheckpoint(dir)
	if err == nil && found.Journal != "" && found.Journal != c.journal {
		err = fmt.Errorf("the store follows the journal %s instead of %s", found.Journal, c.journal)
	}
	if err != nil || found.Journal == "" { // nothing was applied yet
		return err
	}
	_, err = c.checkpoints.Write(ctx, dir, journal.Checkpoint{
		Journal: c.journal, Position: found.Message, Sequence: found.Sequence, Node: c.node,
	})
	return err
}
