package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// backupsIn returns the backups of a store in a directory, with a reserve of the disk.
func backupsIn(t *testing.T, dir string, reserve uint64) *backups {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	opened, err := store.Open(dir, store.Options{Logger: logger, Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	s := &node{store: opened, journal: fakeJournal{}, logger: logger, cfg: &config.Config{}}
	b := s.newBackups()
	b.reserve = reserve
	return b
}

// fakeJournal is a journal of which only CatchUp is called.
type fakeJournal struct {
	runnable
}

func (fakeJournal) CatchUp(context.Context) {}

type buffer struct{ bytes.Buffer }

func (*buffer) Close() error { return nil }

// A backup has what other nodes of the cluster have acknowledged before.
func TestABackupCatchesUpWithOtherNodes(t *testing.T) {
	b := backupsIn(t, t.TempDir(), 0)
	b.catchUp = func(context.Context) {
		_, _, err := b.store.Apply(1, notify.Stamp(time.Now(), notify.Publish{
			ID: "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c11", Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}, Content: []byte(`{}`),
		}))
		assert.NoError(t, err)
	}
	var to buffer
	err := b.write(t.Context(), func(_ context.Context, at notify.Sequence) io.WriteCloser {
		assert.EqualValues(t, 1, at)
		return &to
	})
	require.NoError(t, err)
}

func TestOneBackupAtATimeAndNoneAfterTheEnd(t *testing.T) {
	dir := t.TempDir()
	b := backupsIn(t, dir, 0)
	var to buffer
	err := b.write(t.Context(), func(ctx context.Context, _ notify.Sequence) io.WriteCloser {
		require.DirExists(t, filepath.Join(dir, "backup.copy"))
		require.ErrorIs(t, b.write(ctx, nil), errBackupRuns)
		return &to
	})
	require.NoError(t, err)
	_, err = store.CheckBackup(t.Context(), &to, nil)
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(dir, "backup.copy"))
	succeeded := valueOf(t, b.samples(), "bellhop_backup_last_success_timestamp_seconds")
	require.NotZero(t, succeeded)
	require.NotZero(t, valueOf(t, b.samples(), "bellhop_backup_last_duration_seconds"))
	require.Zero(t, valueOf(t, b.samples(), "bellhop_backup_failures_total"), "one that is refused has not begun")

	err = b.write(t.Context(), func(context.Context, notify.Sequence) io.WriteCloser { return gone{} })
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Equal(t, 1., valueOf(t, b.samples(), "bellhop_backup_failures_total"))
	require.Equal(t, succeeded, valueOf(t, b.samples(), "bellhop_backup_last_success_timestamp_seconds"))
	b.end()
	require.ErrorIs(t, b.write(t.Context(), nil), errStopping)
	require.Equal(t, 1., valueOf(t, b.samples(), "bellhop_backup_failures_total"))
}

// valueOf returns the value of a metric.
func valueOf(t *testing.T, all []telemetry.Sample, name string) float64 {
	t.Helper()
	for _, s := range all {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// gone is a client that has closed its connection.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (gone) Close() error              { return nil }

// The end of the node ends the context of a backup, and waits until its copy is removed.
func TestABackupEndsWithItsNode(t *testing.T) {
	dir := t.TempDir()
	b := backupsIn(t, dir, 0)
	begun := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		written <- b.write(context.Background(), func(ctx context.Context, _ notify.Sequence) io.WriteCloser {
			close(begun)
			return stalled{ctx}
		})
	}()
	<-begun
	b.end()
	require.NoDirExists(t, filepath.Join(dir, "backup.copy"))
	require.ErrorIs(t, <-written, errStopping)
}

// stalled is a client that takes nothing until the backup is given up.
type stalled struct{ ctx context.Context }

func (s stalled) Write([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

func (stalled) Close() error { return nil }

// A backup holds files that the store replaces. It is refused, and given up, when the disk has
// less free space than the reserve.
func TestABackupIsGivenUpWhenTheDiskIsNearlyFull(t *testing.T) {
	dir := t.TempDir()
	b := backupsIn(t, dir, math.MaxUint64)
	require.ErrorIs(t, b.write(t.Context(), nil), errBackupDisk)
	require.NoDirExists(t, filepath.Join(dir, "backup.copy"))

	ctx, cancel := context.WithCancelCause(t.Context())
	b.watchDisk(ctx, cancel) // returns when it has ended ctx
	require.ErrorIs(t, context.Cause(ctx), errBackupDisk)
}
