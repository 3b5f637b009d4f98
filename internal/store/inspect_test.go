package store_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// openReplica opens the replicated store in dir.
func openReplica(t *testing.T, disk vfs.FS, dir string, generations func(...notify.Generation)) *store.Store {
	t.Helper()
	s, err := store.Open(dir, store.Options{
		FS: disk, Replicated: true, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }, Generations: generations,
	})
	require.NoError(t, err)
	return s
}

func inspect(t *testing.T, disk vfs.FS, dir string) store.Contents {
	t.Helper()
	c, err := store.Inspect(dir, disk)
	require.NoError(t, err)
	return c
}

func TestInspectDescribesAStoreThatIsNotOpen(t *testing.T) {
	disk := vfs.NewMem()
	require.Equal(t, store.Contents{}, inspect(t, disk, "data"), "before there is a directory")

	s := openIn(t, disk)
	_, err := store.Inspect("data", disk)
	require.ErrorIs(t, err, store.ErrInUse)
	storeLarge(t, s, 1, 3, 10)
	require.NoError(t, s.Close())
	alone := inspect(t, disk, "data")
	assert.Equal(t, store.Contents{Exists: true, Identity: alone.Identity, Sequence: 3}, alone)
	require.Len(t, alone.Identity, 32)

	s = openReplica(t, disk, "data", nil)
	require.NoError(t, s.Adopt("a"))
	_, _, err = s.ApplyAt(notify.Position{Journal: "a", Message: 9}, 4, []notify.Stamped{{Entry: notify.Cleanup{}, Time: time.Now()}})
	require.NoError(t, err)
	_, err = s.Checkpoint(t.Context(), "copy")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	copied := store.Contents{Exists: true, Identity: alone.Identity, Sequence: 4, Journal: "a", Message: 9}
	assert.Equal(t, copied, inspect(t, disk, "data"))

	_, err = store.Restore(t.Context(), "copy", "other", store.RestoreOptions{FS: disk, Replayed: true, Move: true})
	require.NoError(t, err)
	assert.Equal(t, copied, inspect(t, disk, "other"))
	_, err = store.Restore(t.Context(), "copy", "third", store.RestoreOptions{FS: disk, Replayed: true})
	require.ErrorIs(t, err, store.ErrCheckpoint, "its files were moved")
}

// Inspect reports the damage of a store, and its journal from the file in the data directory. A
// checkpoint replaces the store.
func TestADamagedStoreIsReplaced(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, store.RecordJournal("data", "a", disk))
	s := openReplica(t, disk, "data", nil)
	require.NoError(t, s.Adopt("a"))
	_, err := s.Checkpoint(t.Context(), "copy")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, inspect(t, disk, "data").Damage)

	files, err := disk.List("data/store")
	require.NoError(t, err)
	for _, name := range files {
		if len(name) > 8 && name[:8] == "MANIFEST" {
			require.NoError(t, disk.Remove("data/store/"+name))
		}
	}
	left := inspect(t, disk, "data")
	require.Error(t, left.Damage)
	require.Equal(t, "a", left.Journal)

	_, err = store.Restore(t.Context(), "copy", "data", store.RestoreOptions{FS: disk, Replayed: true, Replace: true})
	require.NoError(t, err)
	restored := inspect(t, disk, "data")
	require.NoError(t, restored.Damage)
	require.Equal(t, "a", restored.Journal)
}

// A store that is opened alone is no longer a copy of a journal, so a checkpoint must not replace
// it.
func TestAStoreThatIsOpenedAloneHasNoJournal(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, store.RecordJournal("data", "a", disk))
	s := openReplica(t, disk, "data", nil)
	require.NoError(t, s.Adopt("a"))
	require.NoError(t, s.Close())
	require.NoError(t, openIn(t, disk).Close())
	require.Empty(t, inspect(t, disk, "data").Journal)
	_, err := disk.Stat("data/journal")
	require.Error(t, err)
}

// A fork has the state of the store, follows another journal from its beginning, and has no
// generations.
func TestAForkBeginsAnotherJournal(t *testing.T) {
	disk := vfs.NewMem()
	s := openReplica(t, disk, "data", nil)
	_, _, err := s.ApplyAt(notify.Position{Journal: "a", Message: 5}, 1, []notify.Stamped{
		{Entry: notify.Generation{Rules: notify.RulesVersion}, Time: time.Now()},
	})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	known := 0
	s = openReplica(t, disk, "data", func(all ...notify.Generation) { known += len(all) })
	require.Equal(t, 1, known)
	require.NoError(t, s.Fork("b"))
	require.Equal(t, notify.Position{Journal: "b"}, s.Position())
	require.NoError(t, s.Close())

	known = 0
	s = openReplica(t, disk, "data", func(all ...notify.Generation) { known += len(all) })
	require.Zero(t, known)
	require.Equal(t, notify.Sequence(1), s.Last())
	require.NoError(t, s.Close())
	forked := inspect(t, disk, "data")
	require.Equal(t, "b", forked.Journal)
	require.Zero(t, forked.Message)
}

// Corrupt data is found when a checkpoint is written, and not only when a checkpoint with it
// has been restored everywhere. The store is then reported as damaged.
func TestACheckpointOfCorruptDataIsNotWritten(t *testing.T) {
	disk := vfs.NewMem()
	s := openIn(t, disk)
	storeLarge(t, s, 1, 20, 10_000)
	require.NoError(t, s.Close())
	require.NoError(t, store.RecordJournal("data", "a", disk))
	tables := files(t, disk, "", ".sst")
	require.NotEmpty(t, tables)
	damaged := slices.MaxFunc(tables, func(a, b string) int { return len(content(t, disk, a)) - len(content(t, disk, b)) })
	b := content(t, disk, damaged)
	b[len(b)/2] ^= 1
	write(t, disk, damaged, b)

	s = openReplica(t, disk, "data", nil)
	require.NoError(t, s.Corrupt())
	_, err := s.Checkpoint(t.Context(), "copy")
	require.Error(t, err)
	require.Error(t, s.Corrupt())
	require.NoError(t, s.Close())
	_, err = disk.Stat("copy")
	require.Error(t, err)
	left := inspect(t, disk, "data")
	require.Error(t, left.Damage)
	require.Equal(t, "a", left.Journal)
}
