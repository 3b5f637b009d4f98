package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// backups writes backups of the store, one at a time.
type backups struct {
	store   *store.Store
	catchUp func(context.Context) // with the other nodes, see notify.Journal
	reserve uint64                // free bytes on the disk below which a backup is given up
	logger  *slog.Logger

	ctx  context.Context //nolint:containedctx // ends when end is called
	stop context.CancelCauseFunc
	turn chan struct{} // full while a backup is running, and after end

	// For metrics.
	succeeded atomic.Int64 // time of the last complete backup, in milliseconds since 1970; 0: none
	took      atomic.Int64 // its duration
	failures  atomic.Uint64
}

const (
	backupRetry = 30 * time.Second // Retry-After while another backup is running
	backupCheck = time.Second      // interval of looking at the free space of the disk
)

// Reasons why a backup is refused or given up.
var (
	errBackupRuns = &notify.Error{
		Kind: notify.ErrUnavailable, Cause: notify.CauseBusy, Detail: "another backup is running, and there is one at a time", RetryAfter: backupRetry,
	}
	errBackupDisk = notify.Unavailable(notify.CauseDiskFull, "the disk is nearly full, and a backup holds space that the store could free")
)

func (s *node) newBackups() *backups {
	b := &backups{
		store: s.store, catchUp: s.journal.CatchUp, logger: s.logger, turn: make(chan struct{}, 1),
		reserve: uint64(s.cfg.MinFree), //nolint:gosec // config refuses a negative one
	}
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	return b
}

// end gives up a running backup, and waits until it does not use the store any more. Others are
// refused from then on.
func (b *backups) end() {
	b.stop(errStopping)
	b.turn <- struct{}{}
}

// write is the httpapi.BackupWriter of the node. A backup has everything that any node has
// acknowledged before it; while the journal cannot be reached, it has what this node has.
//
// A client that does not read holds the copy, which is made of links to tables: compaction then
// frees no space by replacing these. So the backup is given up when space gets scarce, or the node
// stops.
func (b *backups) write(ctx context.Context, begin func(context.Context, notify.Sequence) io.WriteCloser) (err error) {
	if b.ctx.Err() != nil {
		return errStopping
	}
	select {
	case b.turn <- struct{}{}:
	default:
		return errBackupRuns
	}
	defer func() { <-b.turn }()
	defer b.count(time.Now(), &err)
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(b.ctx, func() { cancel(errStopping) })()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	if b.isDiskFull() {
		return errBackupDisk
	}
	watching.Go(func() { b.watchDisk(ctx, cancel) })

	b.catchUp(ctx)
	copied, err := b.store.Backup(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return err
	}
	defer func() {
		if err := copied.Close(); err != nil {
			b.logger.Error("the copy of a backup cannot be removed; the next backup or start tries again", "error", err)
		}
	}()
	w := begin(ctx, copied.Sequence)
	return errors.Join(copied.Write(w), w.Close())
}

// count notes the outcome of a backup. One that the end of the node interrupts is not a failure.
func (b *backups) count(begun time.Time, err *error) {
	switch {
	case *err == nil:
		b.succeeded.Store(time.Now().UnixMilli())
		b.took.Store(int64(time.Since(begun)))
	case !errors.Is(*err, errStopping):
		b.failures.Add(1)
	}
}

// samples are the metrics of backups.
func (b *backups) samples() []telemetry.Sample {
	return []telemetry.Sample{
		{Name: "bellhop_backup_last_success_timestamp_seconds", Value: float64(b.succeeded.Load()) / 1_000},
		{Name: "bellhop_backup_last_duration_seconds", Value: time.Duration(b.took.Load()).Seconds()},
		{Name: "bellhop_backup_failures_total", Value: float64(b.failures.Load())},
	}
}

// watchDisk ends a backup when the disk has less free space than the reserve.
func (b *backups) watchDisk(ctx context.Context, give func(error)) {
	tick := time.NewTicker(backupCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if b.isDiskFull() {
				give(errBackupDisk)
			}
		}
	}
}

func (b *backups) isDiskFull() bool {
	free, err := b.store.Free()
	return err == nil && free < b.reserve
}
