package store_test

import (
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// openCollecting opens a store that passes its generations on to all.
func openCollecting(t *testing.T, fs vfs.FS, all *[]notify.Generation) *store.Store {
	t.Helper()
	s, err := store.Open("data", store.Options{
		FS: fs, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
		Generations: func(gs ...notify.Generation) { *all = append(*all, gs...) },
	})
	require.NoError(t, err)
	return s
}

func TestGenerationsArePassedOnBeforeApplyReturns(t *testing.T) {
	fs := vfs.NewMem()
	var got []notify.Generation
	s := openCollecting(t, fs, &got)
	require.Empty(t, got)
	apply(t, s, noon(), notify.Generation{ID: 7, Secret: [16]byte{1}})
	one := notify.Generation{ID: 7, First: 1, Secret: [16]byte{1}}
	require.Equal(t, []notify.Generation{one}, got)
	apply(t, s, noon(), toUsers(2, "", "ada"), notify.Generation{ID: 8, Secret: [16]byte{2}}, toUsers(4, "", "ada"))
	two := notify.Generation{ID: 8, First: 3, Secret: [16]byte{2}}
	require.Equal(t, []notify.Generation{one, two}, got)
	require.NoError(t, s.Close())

	got = nil
	require.NoError(t, openCollecting(t, fs, &got).Close())
	require.Equal(t, []notify.Generation{one, two}, got, "Open passes on all existing generations")
}

// A loss ends all generations, so that every earlier cursor is refused: its client may have missed
// a lost entry.
func TestALossEndsAllGenerations(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var got []notify.Generation
	s := openCollecting(t, fs, &got)
	apply(t, s, noon(), notify.Generation{ID: 7})
	require.NoError(t, s.Close())
	older := clone(fs)
	s = openCollecting(t, fs, &got)
	apply(t, s, noon(), toUsers(2, "", "ada"))
	require.NoError(t, s.Close())
	require.NoError(t, fs.RemoveAll(storeDir))
	require.NoError(t, fs.MkdirAll(storeDir, 0o700))
	for _, name := range files(t, older, "", "") {
		write(t, fs, name, content(t, older, name))
	}

	got = nil
	s = openCollecting(t, fs, &got)
	require.EqualValues(t, 1, s.Lost())
	require.Empty(t, got)
	require.NoError(t, s.Close())
}
