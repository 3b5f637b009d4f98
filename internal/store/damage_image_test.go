package store_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

const storeDir = "data/store"

// large returns a publish with a number of bytes of content.
func large(n, bytes int) notify.Publish {
	e := toUsers(n, "", "ada")
	e.Content = fmt.Appendf(nil, `"id":"%s","data":"%s"`, idOf(n), strings.Repeat(string(rune('a'+n%26)), bytes))
	e.Keep = 0
	return e
}

// image is the disk of a store, with the number of entries that it has answered.
type image struct {
	fs    *vfs.MemFS
	older *vfs.MemFS // an earlier state of the disk
	last  int
	bytes int // size of each entry
}

// clone returns the disk as it is after the process was killed: nothing that was written is lost.
func clone(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
}

// killed returns the image of a store that was killed after n entries, the size of each of which
// is bytes. The store was restarted once, after two thirds of them.
func killed(t *testing.T, n, bytes int) image {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := openIn(t, fs)
	half := n * 2 / 3
	storeLarge(t, s, 1, half, bytes)
	require.NoError(t, s.Close())
	older := clone(fs)
	s = openIn(t, fs)
	storeLarge(t, s, half+1, n, bytes)
	left := clone(fs)
	require.NoError(t, s.Close())
	return image{left, older, n, bytes}
}

// young returns the image of a store that was killed after n entries and never restarted: all
// entries are in logs, and none in tables.
func young(t *testing.T, n, bytes int) image {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := openIn(t, fs)
	older := clone(fs)
	storeLarge(t, s, 1, n, bytes)
	left := clone(fs)
	require.NoError(t, s.Close())
	require.Greater(t, len(files(t, left, "", ".log")), 1, "the store has several logs")
	return image{left, older, n, bytes}
}

// fresh returns an image like young, of a store whose entries are in one log.
func fresh(t *testing.T, n, bytes int) image {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := openIn(t, fs)
	older := clone(fs)
	storeLarge(t, s, 1, n, bytes)
	left := clone(fs)
	require.NoError(t, s.Close())
	return image{left, older, n, bytes}
}

// stopped returns an image like killed, of a store that was closed instead.
func stopped(t *testing.T, n, bytes int) image {
	t.Helper()
	i := killed(t, n, bytes)
	s := openIn(t, i.fs)
	storeLarge(t, s, n+1, n+2, bytes)
	require.NoError(t, s.Close())
	return image{clone(i.fs), i.older, n + 2, bytes}
}

func storeLarge(t *testing.T, s *store.Store, from, to, bytes int) {
	t.Helper()
	for n := from; n <= to; n++ {
		_, _, err := s.Apply(notify.Sequence(n), notify.Stamp(noon(), large(n, bytes)))
		require.NoError(t, err)
	}
}

// files returns the paths of Pebble's files with a prefix and a suffix, in order.
func files(t *testing.T, fs vfs.FS, begin, end string) (names []string) {
	t.Helper()
	all, err := fs.List(storeDir)
	require.NoError(t, err)
	for _, name := range all {
		if strings.HasPrefix(name, begin) && strings.HasSuffix(name, end) {
			names = append(names, filepath.Join(storeDir, name))
		}
	}
	slices.Sort(names)
	return names
}

func content(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return b
}

func write(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write(bytes.Clone(b)) // Write may change its argument
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

func flip(t *testing.T, fs vfs.FS, name string, random *rand.Rand) {
	t.Helper()
	b := content(t, fs, name)
	if len(b) == 0 {
		return
	}
	b[random.IntN(len(b))] ^= 1 << random.IntN(8)
	write(t, fs, name, b)
}

func cut(t *testing.T, fs vfs.FS, name string, random *rand.Rand) {
	t.Helper()
	b := content(t, fs, name)
	write(t, fs, name, b[:random.IntN(len(b)+1)])
}

// swap exchanges the contents of two files whose names end in suffix.
func swap(t *testing.T, fs vfs.FS, suffix string, random *rand.Rand) {
	t.Helper()
	names := files(t, fs, "", suffix)
	require.Greater(t, len(names), 1)
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	a, b := content(t, fs, names[0]), content(t, fs, names[1])
	write(t, fs, names[0], b)
	write(t, fs, names[1], a)
}

func last[T any](all []T) T { return all[len(all)-1] }
