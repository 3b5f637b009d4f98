package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// disk is a disk of limited size in memory, which can hold up compactions.
type disk struct {
	vfs.FS

	mu         sync.Mutex
	size       int64 // 0: unlimited
	used, peak int64
	files      map[string]int64 // by name
	refused    int              // number of writes
	compacted  int64            // bytes that compactions have written
	holding    bool             // the next write of a compaction waits

	held    chan struct{} // closed when a compaction waits
	resumes chan struct{} // closed when it goes on
}

func newDisk() *disk {
	return &disk{FS: vfs.NewMem(), files: map[string]int64{}, held: make(chan struct{}), resumes: make(chan struct{})}
}

func (d *disk) openStore(t *testing.T, reserve uint64) *store.Store {
	t.Helper()
	s, err := store.Open("data", store.Options{
		FS: d, Logger: slog.New(slog.DiscardHandler), Reserve: reserve, Fatal: func(err error) { panic(err) },
	})
	require.NoError(t, err)
	return s
}

// limit sets the size of the disk, as free bytes, and begins to measure the peak of its use.
func (d *disk) limit(free int64) (used int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size, d.peak = d.used+free, d.used
	return d.used
}

func (d *disk) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holding = true
}

func (d *disk) resume() { close(d.resumes) }

func (d *disk) compactedBytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.compacted
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	d.truncate(name)
	return &diskFile{f, d, name, strings.Contains(string(c), "compaction")}, nil
}

// truncate frees the space of a file.
func (d *disk) truncate(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used -= d.files[name]
	delete(d.files, name)
}

func (d *disk) Remove(name string) error {
	err := d.FS.Remove(name)
	if err == nil {
		d.truncate(name)
	}
	return err
}

func (d *disk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.Remove(old); err != nil {
		return nil, err
	}
	return d.Create(name, c)
}

func (d *disk) Rename(old, name string) error {
	err := d.FS.Rename(old, name)
	if err == nil {
		d.truncate(name)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.files[name] = d.files[old]
		delete(d.files, old)
	}
	return err
}

func (d *disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.size == 0 {
		return vfs.DiskUsage{}, vfs.ErrUnsupported
	}
	return vfs.DiskUsage{TotalBytes: uint64(d.size), UsedBytes: uint64(d.used), AvailBytes: uint64(d.size - d.used)}, nil
}

type diskFile struct {
	vfs.File
	d            *disk
	name         string
	isCompaction bool
}

func (f *diskFile) Write(b []byte) (int, error) {
	if err := f.d.write(f, int64(len(b))); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

func (d *disk) write(f *diskFile, n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.size > 0 && d.used+n > d.size {
		d.refused++
		return syscall.ENOSPC
	}
	d.used += n
	d.peak = max(d.peak, d.used)
	d.files[f.name] += n
	if !f.isCompaction {
		return nil
	}
	d.compacted += n
	if d.holding {
		d.holding = false
		close(d.held)
		d.mu.Unlock()
		<-d.resumes
		d.mu.Lock()
	}
	return nil
}

// fillDisk publishes notifications of 16 KiB to users of their own.
func fillDisk(t *testing.T, s *store.Store, notifications int) {
	t.Helper()
	b := make([]byte, 16<<10)
	for i := 1; i <= notifications; i++ {
		rand.Read(b)
		e := toUsers(i, "", notify.UserID(fmt.Sprintf("user%04d", i)))
		e.Content = append(e.Content, `,"x":"`+hex.EncodeToString(b)+`"`...)
		apply(t, s, noon(), e)
	}
}

// A purge of a store that takes most of its disk takes little space.
func TestAPurgeTakesTheSpaceOfOnePiece(t *testing.T) {
	d := newDisk()
	s := d.openStore(t, 0)
	defer func() { require.NoError(t, s.Close()) }()
	fillDisk(t, s, 2500)
	require.NoError(t, s.Purge(t.Context(), 1))
	eraseAll(t, s, noon(), "user0007")
	s.SetPurgePiece(2 << 20)
	used := d.limit(1 << 30)
	before := d.compactedBytes()
	require.NoError(t, s.Purge(t.Context(), s.Last()))
	assert.Greater(t, d.compactedBytes()-before, used*8/10, "all is rewritten")
	assert.Less(t, d.peak-used, used*6/10)
}

// A purge for which the disk has too little space is refused before it writes, and succeeds when there is
// more.
func TestAPurgeKeepsTheReserve(t *testing.T) {
	d := newDisk()
	s := d.openStore(t, 8<<20)
	defer func() { require.NoError(t, s.Close()) }()
	fillDisk(t, s, 100)
	require.NoError(t, s.Purge(t.Context(), 1))
	eraseAll(t, s, noon(), "user0007")
	erased := s.Last()
	used := d.limit(8<<20 + 1000)
	require.ErrorIs(t, s.Purge(t.Context(), erased), store.ErrSpace)
	require.Equal(t, erased, s.Unpurged())
	require.Equal(t, used, d.peak, "nothing was written")
	d.limit(32 << 20)
	require.NoError(t, s.Purge(t.Context(), erased))
	require.Zero(t, s.Unpurged())
	require.Zero(t, d.refused)
}

// A stop waits for the compaction that is running, which is of one piece, and not for the rest.
func TestAStopWaitsForOnePieceOfAPurge(t *testing.T) {
	d := newDisk()
	s := d.openStore(t, 0)
	fillDisk(t, s, 2500)
	require.NoError(t, s.Purge(t.Context(), 1))
	eraseAll(t, s, noon(), "user0007")
	s.SetPurgePiece(2 << 20)
	used, before := d.limit(1<<30), d.compactedBytes()
	d.hold()
	purged := make(chan error, 1)
	go func() { purged <- s.Purge(context.Background(), s.Last()) }()
	<-d.held
	s.EndPurges()
	require.ErrorIs(t, <-purged, context.Canceled)
	d.resume()
	require.NoError(t, s.Close())
	require.Less(t, d.compactedBytes()-before, used*6/10)
}

// One purge is for all erasures before it, whichever of them it was asked for.
func TestOnePurgeIsForAllErasures(t *testing.T) {
	d := newDisk()
	s := d.openStore(t, 0)
	defer func() { require.NoError(t, s.Close()) }()
	fillDisk(t, s, 10)
	var erased []notify.Sequence
	for i := 1; i <= 3; i++ {
		eraseAll(t, s, noon(), notify.UserID(fmt.Sprintf("user%04d", i)))
		erased = append(erased, s.Last())
	}
	require.NoError(t, s.Purge(t.Context(), erased[0]))
	require.Zero(t, s.Unpurged())
	compacted := d.compactedBytes()
	for _, seq := range erased[1:] {
		require.NoError(t, s.Purge(t.Context(), seq))
	}
	require.Equal(t, compacted, d.compactedBytes())
}

// While one compaction takes long, another one keeps the number of flushed tables low, so writes do
// not wait for the first.
func TestWritesDoNotWaitForALongCompaction(t *testing.T) {
	d := newDisk()
	s := d.openStore(t, 0)
	defer func() { require.NoError(t, s.Close()) }()
	apply(t, s, noon(), toUsers(1, "", "ada", "grace"))
	require.NoError(t, s.Purge(t.Context(), 1))
	eraseAll(t, s, noon(), "ada")
	d.hold()
	purged := make(chan error, 1)
	go func() { purged <- s.Purge(context.Background(), s.Last()) }()
	<-d.held
	before := d.compactedBytes()
	for i := range 12 {
		apply(t, s, noon(), toUsers(100+i, "", "eve"))
		s.Flush()
	}
	assert.Eventually(t, func() bool { return d.compactedBytes() > before }, 10*time.Second, time.Millisecond)
	d.resume()
	require.NoError(t, <-purged)
}

// A compaction while a reader has a snapshot from before an erasure leaves the text in a table that no
// other table overlaps.
func TestATableThatNothingOverlapsIsPurged(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	defer func() { require.NoError(t, s.Close()) }()
	e := toUsers(1, "", erasedUser)
	e.Content = append(e.Content, `,"title":"`+erasedText+`"`...)
	apply(t, s, noon(), e, toUsers(2, "", "grace"))
	require.NoError(t, s.CompactAll(t.Context()))
	release := s.HoldSnapshot()
	eraseAll(t, s, noon(), erasedUser)
	require.NoError(t, s.CompactAll(t.Context()))
	tablesWith := func(text string) (tables []string) {
		for _, name := range filesWith(t, fs, "data", text) {
			if filepath.Ext(name) == ".sst" {
				tables = append(tables, name)
			}
		}
		return tables
	}
	require.NotEmpty(t, tablesWith(erasedText))
	release() // from now on a compaction in the background may remove it, too
	require.NoError(t, s.Purge(t.Context(), s.Last()))
	require.Empty(t, tablesWith(erasedText))
	require.Empty(t, tablesWith(erasedUser))
	left, err := s.Dump()
	require.NoError(t, err)
	require.True(t, bytes.Contains([]byte(fmt.Sprint(left)), []byte("grace")), "the marks of the purge delete nothing")
}
