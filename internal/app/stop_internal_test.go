package app

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/store"
)

// A node that stops begins neither a backup nor a checkpoint nor a purge, and waits for none.
func TestAStopEndsBackupsCheckpointsAndPurges(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	opened, err := store.Open(t.TempDir(), store.Options{Logger: logger, Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	s := &node{store: opened, journal: fakeJournal{}, logger: logger, cfg: &config.Config{}}
	s.backups = s.newBackups()
	w := &checkpointer{store: opened, turn: make(chan struct{}, 1), ready: func() error { return nil }, catchUp: func(context.Context) {}}
	w.ctx, w.stop = context.WithCancel(context.Background())
	s.cluster = &membership{writer: w}
	require.NoError(t, opened.Purge(t.Context(), 1))
	s.endLongRequests()
	require.True(t, s.isStopping())
	require.ErrorIs(t, opened.Purge(t.Context(), 2), context.Canceled)
	_, err = w.request(t.Context())
	require.ErrorIs(t, err, errStopping)
	require.ErrorIs(t, s.backups.write(t.Context(), nil), errStopping)
	require.NoError(t, opened.Close())
}
