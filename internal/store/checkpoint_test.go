package store_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// checkpointMeanwhile applies entries one by one. When it comes to the entry at begin, a checkpoint
// is written at the same time. It returns the sequence of the checkpoint.
func checkpointMeanwhile(t *rapid.T, g *grouping, entries []notify.Entry, times []time.Time, begin int) notify.Sequence {
	begun, done := make(chan struct{}), make(chan struct{})
	var at notify.Sequence
	var err error
	go func() {
		defer close(done)
		<-begun
		at, err = g.store.Checkpoint(context.Background(), "backup")
	}()
	for i := range entries {
		if i == begin {
			close(begun)
		}
		g.apply(t, notify.Sequence(i+1), times[i], entries[i:i+1])
	}
	<-done
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// A checkpoint that is written while entries are applied equals a store to which the
// entries up to its sequence were applied. When the rest is applied to the restored store,
// that equals a store which was never interrupted.
func TestACheckpointIsTheStoreAtOneSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &inboxMachine{now: noon(), keep: 4}
		entries := make([]notify.Entry, rapid.IntRange(1, 40).Draw(t, "entries"))
		times := make([]time.Time, len(entries))
		for i := range entries {
			m.now = m.now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "minutes")) * time.Minute)
			entries[i], times[i] = groupEntry(t, m, notify.Sequence(i+1)), m.now
		}
		begin := rapid.IntRange(0, len(entries)-1).Draw(t, "begin")
		whole, upTo, restored := &grouping{fs: vfs.NewMem()}, &grouping{fs: vfs.NewMem()}, &grouping{}
		whole.open(t)
		at := checkpointMeanwhile(t, whole, entries, times, begin)
		if int(at) < begin {
			t.Fatalf("the checkpoint ends at %d, and %d entries were applied before", at, begin)
		}

		upTo.open(t)
		for i := range int(at) {
			upTo.apply(t, notify.Sequence(i+1), times[i], entries[i:i+1])
		}
		restored.fs = whole.fs
		restored.dir = "restored"
		got, err := store.Restore(context.Background(), "backup", "restored", store.RestoreOptions{FS: whole.fs})
		if err != nil || got != at {
			t.Fatalf("restored up to %d instead of %d: %v", got, at, err)
		}
		restored.open(t)
		if restored.store.Last() != at || restored.store.Lost() != 0 {
			t.Fatalf("the restored store ends at %d, %d lost", restored.store.Last(), restored.store.Lost())
		}
		if d := gocmp.Diff(dump(t, upTo.store), dump(t, restored.store)); d != "" {
			t.Fatalf("keys at %d (-applied +restored):\n%s", at, d)
		}
		reader := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"team"}}
		want, err1 := upTo.store.List(reader, 0, at, &notify.Filter{State: notify.StateAll}, 100, m.now)
		list, err2 := restored.store.List(reader, 0, at, &notify.Filter{State: notify.StateAll}, 100, m.now)
		if d := gocmp.Diff(want, list); d != "" || err1 != nil || err2 != nil {
			t.Fatalf("list (-applied +restored): %v %v\n%s", err1, err2, d)
		}
		for i := int(at); i < len(entries); i++ {
			restored.apply(t, notify.Sequence(i+1), times[i], entries[i:i+1])
		}
		if d := gocmp.Diff(dump(t, whole.store), dump(t, restored.store)); d != "" {
			t.Fatalf("keys at the end (-whole +restored):\n%s", d)
		}
		for _, g := range []*grouping{whole, upTo, restored} {
			if err := g.store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// backup writes a checkpoint of a store with tables and a log, and returns its disk.
func backup(t *testing.T) *vfs.MemFS {
	t.Helper()
	disk := vfs.NewMem()
	s := withTableAndLog(t, disk)
	at, err := s.Checkpoint(t.Context(), "backup")
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(40), at)
	return disk
}

// withTableAndLog returns a store with 40 entries, half of them in a table.
func withTableAndLog(t *testing.T, disk vfs.FS) *store.Store {
	t.Helper()
	s := openIn(t, disk)
	storeLarge(t, s, 1, 20, 1_000)
	require.NoError(t, s.Close()) // writes the table
	s = openIn(t, disk)
	storeLarge(t, s, 21, 40, 1_000)
	return s
}

func restoreIn(disk vfs.FS) (*store.Store, error) {
	if _, err := store.Restore(context.Background(), "backup", "restored", store.RestoreOptions{FS: disk}); err != nil {
		return nil, err
	}
	return store.Open("restored", store.Options{FS: disk, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
}

// rewriteManifest changes the manifest and gives it a correct checksum.
func rewriteManifest(t *testing.T, disk vfs.FS, from, to string) {
	t.Helper()
	line, _, _ := strings.Cut(string(content(t, disk, "backup/checkpoint")), "\n")
	require.Contains(t, line, from)
	line = strings.Replace(line, from, to, 1)
	write(t, disk, "backup/checkpoint", fmt.Appendf(nil, "%s\n%08x\n", line, crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli))))
}

// A checkpoint that cannot be restored is refused with a reason, and the directory has no
// store then.
func TestAnUnusableCheckpointIsRefused(t *testing.T) {
	one := func(t *testing.T, disk vfs.FS, ending string) string {
		t.Helper()
		names, err := disk.List("backup/store")
		require.NoError(t, err)
		for _, name := range names {
			name = "backup/store/" + name
			if strings.Contains(name, ending) && len(content(t, disk, name)) > 0 { // markers are empty
				return name
			}
		}
		t.Fatalf("no %s among %v", ending, names)
		return ""
	}
	flipIn := func(ending string) func(*testing.T, vfs.FS) {
		return func(t *testing.T, disk vfs.FS) {
			b := content(t, disk, one(t, disk, ending))
			b[len(b)/2] ^= 1
			write(t, disk, one(t, disk, ending), b)
		}
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, vfs.FS)
		reason string
	}{
		"a table is damaged":      {flipIn(".sst"), ".sst is damaged"},
		"a log is damaged":        {flipIn(".log"), ".log is damaged"},
		"the MANIFEST is damaged": {flipIn("/MANIFEST"), "is damaged"},
		"a table is missing": {func(t *testing.T, disk vfs.FS) {
			require.NoError(t, disk.Remove(one(t, disk, ".sst")))
		}, ".sst is missing"},
		"a log is cut short": {func(t *testing.T, disk vfs.FS) {
			b := content(t, disk, one(t, disk, ".log"))
			write(t, disk, one(t, disk, ".log"), b[:len(b)-1])
		}, "is damaged"},
		"a foreign file": {func(t *testing.T, disk vfs.FS) {
			write(t, disk, "backup/store/999999.sst", []byte("x"))
		}, "does not list the file 999999.sst"},
		"no manifest": {func(t *testing.T, disk vfs.FS) {
			require.NoError(t, disk.Remove("backup/checkpoint"))
		}, "incomplete or something else"},
		"something else": {func(t *testing.T, disk vfs.FS) {
			require.NoError(t, disk.RemoveAll("backup"))
			require.NoError(t, disk.MkdirAll("backup/store", 0o700))
		}, "incomplete or something else"},
		"its manifest is damaged": {func(t *testing.T, disk vfs.FS) {
			b := content(t, disk, "backup/checkpoint")
			write(t, disk, "backup/checkpoint", bytes.Replace(b, []byte(`"sequence":40`), []byte(`"sequence":41`), 1))
		}, "its manifest is damaged"},
		"its manifest is cut short": {func(t *testing.T, disk vfs.FS) {
			write(t, disk, "backup/checkpoint", content(t, disk, "backup/checkpoint")[:20])
		}, "its manifest is damaged"},
		"its manifest is of other files": {func(t *testing.T, disk vfs.FS) {
			rewriteManifest(t, disk, `"sequence":40`, `"sequence":41`)
		}, "its files end at sequence 40, and its manifest says 41"},
		"its manifest leads out of the directory": {func(t *testing.T, disk vfs.FS) {
			rewriteManifest(t, disk, `"files":[`, `"files":[{"name":"../x","bytes":0,"crc":0},`)
		}, `lists "../x", which is not a file name`},
		"a newer format": {func(t *testing.T, disk vfs.FS) {
			rewriteManifest(t, disk, `"format":`, `"format":9`)
		}, "this version reads format"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := backup(t)
			c.damage(t, disk)
			_, err := restoreIn(disk)
			require.ErrorIs(t, err, store.ErrCheckpoint)
			require.ErrorContains(t, err, c.reason)
			files, _ := disk.List("restored")
			assert.Empty(t, files)
		})
	}
}

// If any single write fails, as on a full disk, no incomplete checkpoint and no incomplete store is
// left, and a later attempt succeeds.
func TestAFailedWriteLeavesNothingIncomplete(t *testing.T) {
	mem := vfs.NewMem()
	var left atomic.Int64 // writes until one fails
	disk := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpRemoveAll || op.Kind == errorfs.OpFileSync { // a sync that fails ends the process
			return nil
		}
		isCopy := strings.HasPrefix(op.Path, "backup") || strings.HasPrefix(op.Path, "restored")
		if isCopy && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) == 0 {
			return errorfs.ErrInjected
		}
		return nil
	}))
	s := withTableAndLog(t, disk)
	failures := 0
	for n := int64(1); ; n++ {
		left.Store(n)
		if _, err := s.Checkpoint(t.Context(), "backup"); err == nil {
			break
		}
		failures++
		for _, dir := range []string{"backup", "backup.partial"} {
			_, err := mem.Stat(dir)
			require.ErrorIs(t, err, fs.ErrNotExist, "after %d writes", n)
		}
	}
	for n := int64(1); ; n++ {
		left.Store(n)
		if _, err := store.Restore(t.Context(), "backup", "restored", store.RestoreOptions{FS: disk}); err == nil {
			break
		}
		failures++
		left.Store(0)
		files, _ := mem.List("restored")
		require.Empty(t, files, "after %d writes", n)
	}
	assert.Greater(t, failures, 20)
	restored, err := store.Open("restored", store.Options{FS: mem, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(40), restored.Last())
	require.NoError(t, restored.Close())
}

func TestACancelledContextLeavesNothingIncomplete(t *testing.T) {
	disk := backup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Restore(ctx, "backup", "restored", store.RestoreOptions{FS: disk})
	require.ErrorIs(t, err, context.Canceled)
	files, _ := disk.List("restored")
	require.Empty(t, files)

	s, err := restoreIn(disk)
	require.NoError(t, err)
	_, err = s.Checkpoint(ctx, "second")
	require.ErrorIs(t, err, context.Canceled)
	for _, dir := range []string{"second", "second.partial"} {
		_, err := disk.Stat(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.NoError(t, s.Close())
}

func TestNothingIsOverwritten(t *testing.T) {
	disk := backup(t)
	s, err := restoreIn(disk)
	require.NoError(t, err)
	_, err = s.Checkpoint(t.Context(), "backup")
	require.ErrorIs(t, err, fs.ErrExist)
	require.NoError(t, s.Close())
	_, err = store.Restore(t.Context(), "backup", "restored", store.RestoreOptions{FS: disk})
	require.ErrorIs(t, err, fs.ErrExist)
	s, err = store.Open("restored", store.Options{FS: disk, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(40), s.Last())
	require.NoError(t, s.Close())
}

// A store is lost and restored from a checkpoint that lacks its newest entries: they are
// announced as lost, unless the journal still has them.
func TestARestoreAnnouncesMissingEntries(t *testing.T) {
	for _, replayed := range []bool{false, true} {
		disk := vfs.NewMem()
		s := openIn(t, disk)
		storeLarge(t, s, 1, 3, 10)
		_, err := s.Checkpoint(t.Context(), "backup")
		require.NoError(t, err)
		storeLarge(t, s, 4, 5, 10)
		require.NoError(t, s.Close())
		require.NoError(t, disk.RemoveAll("data/store"))

		at, err := store.Restore(t.Context(), "backup", "data", store.RestoreOptions{FS: disk, Replayed: replayed})
		require.NoError(t, err)
		require.Equal(t, notify.Sequence(3), at)
		s, _, err = openLogged(disk)
		require.NoError(t, err)
		if replayed {
			assert.Equal(t, notify.Sequence(3), s.Last())
			assert.Zero(t, s.Lost())
		} else {
			assert.Equal(t, notify.Sequence(5), s.Last())
			assert.EqualValues(t, 2, s.Lost())
		}
		require.NoError(t, s.Close())
	}
}

func TestACheckpointOnADisk(t *testing.T) {
	dir := t.TempDir()
	o := store.Options{Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }}
	s, err := store.Open(filepath.Join(dir, "data"), o)
	require.NoError(t, err)
	storeLarge(t, s, 1, 20, 1<<20)
	copied := filepath.Join(dir, "backups", "1")
	at, err := s.Checkpoint(t.Context(), copied)
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(20), at)
	storeLarge(t, s, 21, 30, 1<<20)
	require.NoError(t, s.Close())

	into := filepath.Join(dir, "restored")
	_, err = store.Restore(t.Context(), copied, into, store.RestoreOptions{})
	require.NoError(t, err)
	restored, err := store.Open(into, o)
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(20), restored.Last())
	require.True(t, isServed(t, restored, 20, 1<<20))
	storeLarge(t, restored, 21, 30, 1<<20)
	require.NoError(t, restored.Close())
	s, err = store.Open(filepath.Join(dir, "data"), o)
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(30), s.Last(), "the checkpoint has not changed the store")
	require.NoError(t, s.Close())
}
