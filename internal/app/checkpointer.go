package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// checkpointer writes checkpoints of a node's store while the node holds the lease of the
// cluster, and when an operator asks for one. It removes old ones, and the messages of the
// journal that are in the others.
type checkpointer struct {
	store       *store.Store
	journal     string // identity of the journal
	durable     func() notify.Sequence
	full        func() bool // the stream
	stream      func(context.Context) (journal.StreamInfo, error)
	checkpoints *journal.Checkpoints
	lease       notify.Lease
	ready       func() error                    // of the node
	catchUp     func(context.Context)           // with the other nodes, see notify.Journal
	lacks       func(*journal.Checkpoint) error // which ready node has not applied all that is in one yet; nil: none
	dir         string                          // data directory
	node        string
	logger      *slog.Logger

	every   time.Duration // a checkpoint is due when the last one is older and there are new entries
	entries uint64        // or when there are as many new entries

	ctx  context.Context //nolint:containedctx // ends when end is called
	stop context.CancelFunc
	turn chan struct{} // full while a checkpoint is written, and after end

	// For metrics.
	newest   atomic.Int64 // time of the newest checkpoint, in milliseconds since 1970; 0: not known to this node
	failures atomic.Uint64
	bytes    atomic.Uint64 // of the stream when look last found it
	maxBytes atomic.Int64
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

// run writes checkpoints when they are due, and makes space in a full stream, until ctx ends or end is
// called.
func (c *checkpointer) run(ctx context.Context) {
	ctx, cancel := c.untilEnd(ctx)
	defer cancel()
	var relieving sync.WaitGroup
	defer relieving.Wait()
	relieving.Go(func() { c.relieveWhenFull(ctx) })
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
			c.failures.Add(1)
			c.logger.Warn("a checkpoint cannot be written; trying again", "after", checkpointRetry, "error", err)
			wait = checkpointRetry
		}
	}
}

// writeIfDue writes a checkpoint if one is due. Then it removes what nobody needs any longer.
func (c *checkpointer) writeIfDue(ctx context.Context) error {
	all, err := c.checkpoints.List(ctx, c.journal)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		c.newest.Store(all[0].Written.UnixMilli())
	}
	stream, err := c.look(ctx)
	if err != nil {
		return err
	}
	if !c.isDue(all, &stream) {
		return nil
	}
	err = c.prepare(ctx)
	if errors.Is(err, store.ErrSpace) { // without checkpoints, the journal would become full
		c.logger.Warn("a checkpoint has data of erased users: the disk has too little free space to remove it from the files", "error", err)
		err = nil
	}
	if err != nil {
		return err
	}
	if _, err := c.write(ctx); err != nil {
		return err
	}
	return c.removeOld(ctx, keptCheckpoints)
}

// prepare makes a checkpoint that is written next have everything that any node has acknowledged, and its files have
// nothing that was erased before. The position of that checkpoint is after those of all earlier ones, because there is a
// new message, so that it replaces none.
func (c *checkpointer) prepare(ctx context.Context) error {
	c.catchUp(ctx)
	return c.store.Purge(ctx, c.store.Unpurged())
}

// look returns the state of the stream, and notes its size for the metrics.
func (c *checkpointer) look(ctx context.Context) (journal.StreamInfo, error) {
	stream, err := c.stream(ctx)
	if err == nil {
		c.bytes.Store(stream.Bytes)
		c.maxBytes.Store(max(0, stream.MaxBytes))
	}
	return stream, err
}

// removeOld keeps a number of checkpoints, and the messages of the journal from the oldest of
// these on. It waits for the ready nodes that have not applied the others yet, which are at most
// two seconds behind: a node that lacks them would have to start again.
func (c *checkpointer) removeOld(ctx context.Context, keep int) error {
	if err := c.checkpoints.Prune(ctx, c.journal, keep); err != nil {
		return err
	}
	all, err := c.checkpoints.List(ctx, c.journal)
	if err != nil || len(all) < keep {
		return err
	}
	oldest := all[keep-1]
	if err := waitFor(ctx, nil, func() error { return c.lacks(&oldest) }); err != nil {
		return err
	}
	return c.checkpoints.PurgeJournal(ctx, c.journal, oldest.Position)
}

func (c *checkpointer) isDue(all []journal.Checkpoint, stream *journal.StreamInfo) bool {
	if len(all) == 0 {
		return true
	}
	last, now := all[0], c.durable()
	switch {
	case stream.Last > last.Position && stream.Last-last.Position >= c.entries: // messages may have no entries
		return true
	case now <= last.Sequence:
		return false
	case uint64(now-last.Sequence) >= c.entries:
		return true
	case stream.MaxBytes > 0 && stream.Bytes > uint64(stream.MaxBytes)/2:
		return true
	default:
		return time.Since(last.Written) >= c.every
	}
}

// relieveWhenFull makes space in the stream when it is full. No node is ready then, so no node
// holds the lease: each tries by itself, after a random time. If two do so, nothing is lost. Each
// node also looks at the stream when it is not full, so that none reports a size of long ago.
func (c *checkpointer) relieveWhenFull(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkpointCheck/2 + rand.N(checkpointCheck)): //nolint:gosec // spreads the nodes
		}
		if !c.full() {
			_, _ = c.look(ctx) // after an error, the last size stays
			continue
		}
		if err := c.relieve(ctx); err != nil && ctx.Err() == nil {
			c.logger.Warn("the journal is full, and no space can be made in it; trying again", "error", err)
		}
	}
}

// relieve makes space in a full stream: it keeps the newest checkpoint only. If the journal
// begins with that one already, it writes another one.
func (c *checkpointer) relieve(ctx context.Context) error {
	before, err := c.look(ctx)
	if err != nil {
		return err
	}
	if err := c.removeOld(ctx, 1); err != nil {
		return err
	}
	after, err := c.look(ctx)
	if err != nil || after.First > before.First {
		return err
	}
	if _, err := c.write(ctx); err != nil {
		return err
	}
	return c.removeOld(ctx, 1)
}

// write writes a checkpoint of the store, one at a time. It returns none if nothing was applied yet. ctx
// must be one of untilEnd.
func (c *checkpointer) write(ctx context.Context) (written journal.Checkpoint, err error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return written, ctx.Err() //nolint:wrapcheck // interrupted, and nothing more
	}
	dir := filepath.Join(c.dir, writeDir)
	if err := os.RemoveAll(dir); err != nil { // of a process that was killed
		return written, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := c.store.Checkpoint(ctx, dir); err != nil {
		return written, err
	}
	found, err := store.InspectCheckpoint(dir)
	if err == nil && found.Journal != "" && found.Journal != c.journal {
		err = fmt.Errorf("the store follows the journal %s instead of %s", found.Journal, c.journal)
	}
	if err != nil || found.Journal == "" { // nothing was applied yet
		return written, err
	}
	written, err = c.checkpoints.Write(ctx, dir, journal.Checkpoint{
		Journal: c.journal, Position: found.Message, Sequence: found.Sequence, Node: c.node,
	})
	if err == nil {
		c.newest.Store(written.Written.UnixMilli())
	}
	return written, err
}

// samples are the metrics of checkpoints.
func (c *checkpointer) samples() []telemetry.Sample {
	return []telemetry.Sample{
		{Name: "bellhop_checkpoint_last_timestamp_seconds", Value: float64(c.newest.Load()) / 1_000},
		{Name: "bellhop_checkpoint_failures_total", Value: float64(c.failures.Load())},
		{Name: "bellhop_journal_stream_bytes", Value: float64(c.bytes.Load())},
		{Name: "bellhop_journal_stream_limit_bytes", Value: float64(c.maxBytes.Load())},
	}
}
