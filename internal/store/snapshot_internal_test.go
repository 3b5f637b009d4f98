package store

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// Readers share a snapshot until the next commit. A snapshot that a reader acquired before the
// commit does not change, and is closed when its last reader releases it.
func TestReadersShareASnapshotUntilTheNextCommit(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	publish := func(seq notify.Sequence) {
		_, _, err := s.Apply(seq, notify.Stamp(time.UnixMilli(1), notify.Publish{ID: "x", Audience: notify.AudienceAll}))
		require.NoError(t, err)
	}
	shows := func(v *snapshot, seq notify.Sequence) bool {
		b, err := readRecordOf(v, seq)
		require.NoError(t, err)
		return b != nil
	}
	publish(1)
	first, second := s.snapshots.acquire(), s.snapshots.acquire()
	assert.Same(t, first, second)
	second.release()
	publish(2)
	third := s.snapshots.acquire()
	assert.True(t, shows(first, 1))
	assert.False(t, shows(first, 2))
	assert.True(t, shows(third, 2))
	assert.EqualValues(t, 2, third.applied)
	first.release()
	assert.Zero(t, first.refs)
	third.release()
	assert.Equal(t, 1, third.refs, "the current snapshot is kept for the next reader")
	publish(3)
	assert.Zero(t, third.refs)
	require.NoError(t, s.Close(), "Pebble fails if a snapshot is open")
}

// A reader that comes during a renewal gets a new snapshot, which stays current until the next commit:
// the renewal must not wait for it.
func TestARenewalWaitsForNoLaterSnapshot(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for range 2_000 {
		begun := make(chan struct{})
		var reader sync.WaitGroup
		reader.Go(func() {
			s.snapshots.acquire().release()
			close(begun)
			for range 200 {
				s.snapshots.acquire().release()
			}
		})
		<-begun
		closed := s.snapshots.renew()
		reader.Wait()
		done, err := closed()
		require.NoError(t, err)
		require.True(t, done, "all snapshots from before the renewal are closed")
	}
	require.NoError(t, s.Close())
}
