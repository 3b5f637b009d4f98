package store_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

const watermark = "data/watermark"

// stored returns the disk of a closed store with n entries.
func stored(t *testing.T, n int) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	s := openIn(t, fs)
	for i := range n {
		apply(t, s, noon(), toUsers(i+1, "", "ada"))
	}
	require.NoError(t, s.Close())
	return fs
}

// An undamaged store is served, whatever the state of its watermark. If the watermark was
// unusable, the log warns that an earlier loss cannot be noticed.
func TestUndamagedDataIsNeverRefused(t *testing.T) {
	const slot = 4096
	broken := func(b []byte, at ...int) []byte {
		for _, i := range at {
			b[i] ^= 1
		}
		return b
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, fs *vfs.MemFS)
		warn   string // part of the warning; empty: no warning
	}{
		"nothing":  {func(*testing.T, *vfs.MemFS) {}, ""},
		"removed":  {func(t *testing.T, fs *vfs.MemFS) { require.NoError(t, fs.Remove(watermark)) }, "watermark is missing"},
		"empty":    {func(t *testing.T, fs *vfs.MemFS) { write(t, fs, watermark, nil) }, "cannot be read"},
		"cut":      {func(t *testing.T, fs *vfs.MemFS) { write(t, fs, watermark, content(t, fs, watermark)[:slot]) }, "cannot be read"},
		"one slot": {func(t *testing.T, fs *vfs.MemFS) { write(t, fs, watermark, broken(content(t, fs, watermark), 20)) }, "one of the two copies"},
		"damaged": {func(t *testing.T, fs *vfs.MemFS) {
			write(t, fs, watermark, broken(content(t, fs, watermark), 30, slot+30))
		}, "the watermark is damaged"},
		"of another store": {func(t *testing.T, fs *vfs.MemFS) {
			write(t, fs, watermark, content(t, stored(t, 9), watermark))
		}, "belongs to another store"},
		"a directory": {func(t *testing.T, fs *vfs.MemFS) {
			require.NoError(t, fs.Remove(watermark))
			require.NoError(t, fs.MkdirAll(watermark, 0o700))
		}, "cannot be"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := stored(t, 3)
			c.damage(t, fs)
			s, records, err := openLogged(fs)
			require.NoError(t, err)
			assert.Zero(t, s.Lost())
			assert.Equal(t, notify.Sequence(3), s.Last())
			if c.warn == "" {
				assert.Empty(t, records)
			} else {
				require.NotEmpty(t, records)
				assert.Equal(t, "WARN", records[0].Level)
				assert.Contains(t, records[0].Msg, c.warn)
			}
			apply(t, s, noon(), toUsers(4, "", "ada"))
			require.NoError(t, s.Close())
			if name == "a directory" {
				return
			}

			s, records, err = openLogged(fs)
			require.NoError(t, err)
			assert.Empty(t, records, "the watermark was replaced")
			assert.Equal(t, notify.Sequence(4), s.Last())
			require.NoError(t, s.Close())
		})
	}
}

// A copy of the whole directory is a backup: opening it announces no loss.
func TestABackupIsComplete(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openIn(t, fs)
	storeLarge(t, s, 1, 5, 1_000)
	backup := clone(fs)
	storeLarge(t, s, 6, 9, 1_000)
	require.NoError(t, s.Close())
	require.Equal(t, "whole", outcome(t, backup, 5, 1_000))
}

// The store goes on if the watermark cannot be written or synced.
func TestTheStoreWorksWithoutAWatermark(t *testing.T) {
	var failing atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && strings.HasSuffix(op.Path, "watermark") {
			return errors.New("broken disk")
		}
		return nil
	}))
	s, _, err := openLogged(fs)
	require.NoError(t, err)
	apply(t, s, noon(), toUsers(1, "", "ada"))
	failing.Store(true)
	require.Error(t, s.SyncWatermark())
	_, _, err = s.Apply(2, notify.Stamp(noon(), toUsers(2, "", "ada")))
	require.NoError(t, err)
	failing.Store(false)
	_, _, err = s.Apply(3, notify.Stamp(noon(), toUsers(3, "", "ada")))
	require.NoError(t, err)
	require.NoError(t, s.SyncWatermark())
	require.NoError(t, s.Close())
}
