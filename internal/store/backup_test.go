package store_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/archive"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

func onDisk(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, store.Options{Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	return s
}

// writeBackup returns a backup of a store with 40 entries, in tables and a log.
func writeBackup(t *testing.T) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s := onDisk(t, dir)
	storeLarge(t, s, 1, 20, 1_000)
	require.NoError(t, s.Close()) // writes the table
	s = onDisk(t, dir)
	storeLarge(t, s, 21, 40, 1_000)
	b, err := s.Backup(t.Context())
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(40), b.Sequence)
	var to bytes.Buffer
	require.NoError(t, b.Write(&to))
	require.NoError(t, b.Close())
	require.NoDirExists(t, filepath.Join(dir, "backup.copy"))
	require.NoError(t, s.Close())
	return to.Bytes()
}

func TestABackupIsRestored(t *testing.T) {
	b := writeBackup(t)
	var done, total int64
	checked, err := store.CheckBackup(t.Context(), bytes.NewReader(b), func(d, all int64) { done, total = d, all })
	require.NoError(t, err)
	require.Equal(t, notify.Sequence(40), checked.Sequence)
	require.Equal(t, checked.Bytes, total)
	require.Equal(t, total, done)

	for name, makeDir := range map[string]func(dir string){
		"a directory that does not exist": func(string) {},
		"an empty directory":              func(dir string) { require.NoError(t, os.Mkdir(dir, 0o700)) },
		"the root of a file system": func(dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			makeDir(dir)
			restored, err := store.RestoreBackup(t.Context(), bytes.NewReader(b), dir, nil)
			require.NoError(t, err)
			require.Equal(t, checked, restored)
			require.NoDirExists(t, filepath.Join(dir, "restore.backup"))
			var log bytes.Buffer
			s, err := store.Open(dir, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Fatal: func(err error) { panic(err) }})
			require.NoError(t, err)
			require.Empty(t, log.String(), "the first start has nothing to warn of")
			require.Equal(t, notify.Sequence(40), s.Last())
			require.Zero(t, s.Lost())
			require.True(t, isServed(t, s, 40, 1_000))
			require.NoError(t, s.Close())
			_, err = store.RestoreBackup(t.Context(), bytes.NewReader(b), dir, nil)
			require.ErrorIs(t, err, fs.ErrExist)
			require.ErrorContains(t, err, "not empty")
		})
	}
}

// A restored store has a watermark, so that a loss before its first start is noticed.
func TestALossOfARestoredStoreIsNoticed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	_, err := store.RestoreBackup(t.Context(), bytes.NewReader(writeBackup(t)), dir, nil)
	require.NoError(t, err)
	logs, err := filepath.Glob(filepath.Join(dir, "store", "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, name := range logs {
		require.NoError(t, os.Remove(name)) // entries 21 to 40
	}
	s := onDisk(t, dir)
	require.Equal(t, uint64(20), s.Lost())
	require.Equal(t, notify.Sequence(40), s.Last(), "their sequences are not used again")
	require.NoError(t, s.Close())
}

// repack changes the files of a backup. A file that change returns nil for is left out.
func repack(t *testing.T, backup []byte, change func(name string, content []byte) (string, []byte)) []byte {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, archive.Each(bytes.NewReader(backup), func(name string, _ int64, content io.Reader) error {
		b, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		if name, b = change(name, b); b == nil {
			return nil
		}
		path := filepath.Join(dir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600))
	}))
	var to bytes.Buffer
	require.NoError(t, archive.Write(&to, dir))
	return to.Bytes()
}

// withManifest changes the manifest of a backup, and gives it a correct checksum.
func withManifest(from, to string) func(string, []byte) (string, []byte) {
	return func(name string, content []byte) (string, []byte) {
		if name != "checkpoint" {
			return name, content
		}
		line, _, _ := strings.Cut(string(content), "\n")
		line = strings.Replace(line, from, to, 1)
		return name, fmt.Appendf(nil, "%s\n%08x\n", line, crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)))
	}
}

// A backup that cannot be restored is refused with a reason, when it is checked and when it is
// restored, and nothing is left in the directory.
func TestAnUnusableBackupIsRefused(t *testing.T) {
	whole := writeBackup(t)
	isTable := func(name string) bool { return strings.HasSuffix(name, ".sst") }
	for name, c := range map[string]struct {
		backup []byte
		reason string
	}{
		"empty":             {nil, "not a complete archive"},
		"something else":    {[]byte("<html>not found</html>"), "not a complete archive"},
		"an archive of tar": {tarred(t), "not a complete archive"},
		"cut in the middle": {whole[:len(whole)/2], "not a complete archive"},
		"cut at the end":    {whole[:len(whole)-1], "not a complete archive"},
		"a flipped bit":     {flipped(whole, len(whole)/2), "not a"},
		"more at the end":   {append(bytes.Clone(whole), 0), "not a complete archive"},
		"a table is missing": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			if isTable(name) {
				return name, nil
			}
			return name, b
		}), ".sst is missing"},
		"a table is damaged": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			if isTable(name) {
				b = flipped(b, len(b)/2)
			}
			return name, b
		}), ".sst is damaged"},
		"a table is short": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			if isTable(name) {
				b = b[1:]
			}
			return name, b
		}), "and its manifest says"},
		"a foreign file": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			return strings.Replace(name, "MANIFEST", "FOREIGN", 1), b
		}), `does not list the file "store/FOREIGN`},
		"a file in another place": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			return strings.Replace(name, "store/MANIFEST", "watermark/MANIFEST", 1), b
		}), `does not list the file "watermark/MANIFEST`},
		"no manifest": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			if name == "checkpoint" {
				return name, nil
			}
			return name, b
		}), "instead of a manifest"},
		"a damaged manifest": {repack(t, whole, func(name string, b []byte) (string, []byte) {
			if name == "checkpoint" {
				b = bytes.Replace(b, []byte(`"sequence":40`), []byte(`"sequence":41`), 1)
			}
			return name, b
		}), "its manifest is damaged"},
		"a newer format":       {repack(t, whole, withManifest(`"format":`, `"format":9`)), "this version reads format"},
		"names that lead away": {repack(t, whole, withManifest(`"files":[`, `"files":[{"name":"../x","bytes":0,"crc":0},`)), `lists "../x"`},
		"negative sizes":       {repack(t, whole, withManifest(`"bytes":`, `"bytes":-`)), "lists"},
		"huge sizes": {repack(t, whole, withManifest(`"files":[`,
			`"files":[{"name":"x","bytes":9223372036854775807,"crc":0},{"name":"y","bytes":9223372036854775807,"crc":0},`)), "more bytes than any disk has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.CheckBackup(t.Context(), bytes.NewReader(c.backup), nil)
			require.ErrorIs(t, err, store.ErrCheckpoint)
			require.ErrorContains(t, err, c.reason)

			parent := t.TempDir()
			_, err = store.RestoreBackup(t.Context(), bytes.NewReader(c.backup), filepath.Join(parent, "data"), nil)
			require.ErrorIs(t, err, store.ErrCheckpoint)
			require.ErrorContains(t, err, c.reason)
			requireEmpty(t, parent)
			_, err = store.RestoreBackup(t.Context(), bytes.NewReader(c.backup), parent, nil)
			require.ErrorIs(t, err, store.ErrCheckpoint)
			requireEmpty(t, parent)
		})
	}
}

func tarred(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "checkpoint"}))
	require.NoError(t, w.Close())
	return b.Bytes()
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A backup that is larger than the disk is refused before anything is written.
func TestABackupLargerThanTheDiskIsRefused(t *testing.T) {
	b := repack(t, writeBackup(t), withManifest(`"files":[`, `"files":[{"name":"x","bytes":4611686018427387904,"crc":0},`))
	parent := t.TempDir()
	_, err := store.RestoreBackup(t.Context(), bytes.NewReader(b), filepath.Join(parent, "data"), nil)
	require.ErrorContains(t, err, "bytes free")
	requireEmpty(t, parent)
}

// Wherever a restore fails or is interrupted, the directory is as it was before.
func TestAnInterruptedRestoreLeavesNothing(t *testing.T) {
	b, lost := writeBackup(t), errors.New("the disk was removed")
	parent := t.TempDir()
	for n := 0; n < len(b); n += len(b)/40 + 1 {
		r := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(lost))
		_, err := store.RestoreBackup(t.Context(), r, filepath.Join(parent, "data"), nil)
		require.ErrorIs(t, err, lost)
		requireEmpty(t, parent)

		ctx, cancel := context.WithCancel(t.Context())
		r = io.MultiReader(bytes.NewReader(b[:n]), canceling{cancel}, bytes.NewReader(b[n:]))
		_, err = store.RestoreBackup(ctx, r, filepath.Join(parent, "data"), nil)
		require.ErrorIs(t, err, context.Canceled)
		requireEmpty(t, parent)
	}
}

// canceling ends a context when it is read.
type canceling struct{ cancel func() }

func (c canceling) Read([]byte) (int, error) {
	c.cancel()
	return 0, io.EOF
}

// A process that is killed during a restore leaves a directory without a store. It is not opened
// as an empty one, and can be restored again.
func TestARestoreThatWasKilledIsRepeated(t *testing.T) {
	b := writeBackup(t)
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "restore.backup", "copy", "store"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "restore.backup", "copy", "store", "000001.sst"), []byte("half"), 0o600))
	_, err := store.Open(dir, store.Options{Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "run bellhop restore again")
	_, err = store.Inspect(dir, nil)
	require.ErrorContains(t, err, "run bellhop restore again")
	_, err = store.RestoreBackup(t.Context(), bytes.NewReader(b), dir, nil)
	require.NoError(t, err)

	require.NoError(t, os.Mkdir(filepath.Join(dir, "restore.backup"), 0o700)) // killed after the last step
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "backup.copy.partial", "store"), 0o700))
	s := onDisk(t, dir)
	require.NoError(t, s.Sweep())
	require.NoDirExists(t, filepath.Join(dir, "restore.backup"))
	require.NoDirExists(t, filepath.Join(dir, "backup.copy.partial"))
	require.Equal(t, notify.Sequence(40), s.Last())
	require.NoError(t, s.Close())
}

// Two restores into one directory at the same time: one of them succeeds.
func TestOnlyOneRestoreAtATime(t *testing.T) {
	b := writeBackup(t)
	dir := filepath.Join(t.TempDir(), "data")
	begun := make(chan struct{})
	hold := make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := store.RestoreBackup(t.Context(), bytes.NewReader(b), dir, func(done, total int64) {
			if done == total {
				close(begun)
				<-hold
			}
		})
		first <- err
	}()
	select {
	case <-begun:
	case err := <-first:
		t.Fatal(err)
	}
	_, err := store.RestoreBackup(t.Context(), bytes.NewReader(b), dir, nil)
	assert.ErrorContains(t, err, "another restore into the directory is running")
	close(hold)
	require.NoError(t, <-first)
	s := onDisk(t, dir)
	require.Equal(t, notify.Sequence(40), s.Last())
	require.NoError(t, s.Close())
}

// Reading a backup never panics, and bytes that no store has written are not accepted.
func FuzzBackup(f *testing.F) {
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := store.CheckBackup(t.Context(), bytes.NewReader(b), nil); err == nil {
			t.Error("accepted")
		}
	})
}
