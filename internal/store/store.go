// Package store keeps the state that the journal's entries add up to: the histories of
// users, topics and everyone, what each user has read, idempotency keys, generations,
// tickets, revocations. It applies entries in the order it is given, atomically and
// durably, and answers reads. It promises that what Apply has returned survives a power
// cut, and leaves the order of entries and the rules of publishing to others. Pebble
// lives here only.
//
// Order of locks: ranks.mu before rank.mu. No other two are held together, and none is
// held while the disk is read or written, since Apply takes them all.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

// formatVersion is raised whenever keys or values are written in another way.
// No release has written an earlier format, so a store of any other format is
// refused rather than migrated.
const formatVersion = 8

// Memory that the store may take, whatever it holds. Pebble takes the memory of
// its memtables, of which there are two, out of the cache's.
const (
	memTableBytes = 16 << 20
	cacheBytes    = 64<<20 + 2*memTableBytes
)

// How many tables, as they were flushed, may have a key before they are sorted into
// the rest, and before writes wait until they are: twice as many as Pebble has it,
// since a history is read in one place.
const (
	compactionFiles = 8
	stopWritesFiles = 24
)

// maxOpenFiles is how many tables are held open: the rest of what a process may
// have open is for connections.
const maxOpenFiles = 400

// Options say how to open a store.
type Options struct {
	Logger *slog.Logger

	// Fatal ends the process: a write to the log failed, and what a later one
	// would say of the disk cannot be trusted; or a write failed while Open reads
	// the log, and Pebble repeats it without end. It must not return.
	Fatal func(error)

	// Generations receives the generations of the journal, oldest first: from Open
	// those that the store has, and from Apply each that it has applied, before Apply
	// returns. So a node knows a generation before it delivers a sequence of it,
	// whichever node began it. nil: none are passed on.
	Generations func(...notify.Generation)

	// FS stands in for the disk in tests; nil is the disk.
	FS vfs.FS
}

// Store is the state of one node, in a directory of its own. Apply may be
// called by one goroutine at a time, everything else by any.
type Store struct {
	db   *pebble.DB
	fs   vfs.FS
	dir  string
	lock *pebble.Lock
	log  *slog.Logger

	generations func(...notify.Generation) // see Options

	lost uint64 // entries that were durable once and are gone

	// What Pebble failed to do by itself: what it may manage next time, and what
	// it never will.
	opening atomic.Bool // Pebble is reading its log
	failing atomic.Pointer[error]
	corrupt atomic.Pointer[error]

	// Touched by Apply alone.
	state          state
	histories      histories
	buffer         []byte
	record         []byte
	maxMarkChanges int // as the constant, but in tests
	watermark      *watermark

	usage       [2]atomic.Uint64 // of the state: notifications, all else
	revocations revocations
	index       sequenceIndex
	snapshots   snapshots
}

// ErrInUse says that another process has the directory open.
var ErrInUse = errors.New("another process is using the data directory")

// Open opens the store in dir and makes it if it is not there. Only one process
// can: for a second one the error is ErrInUse.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{maxMarkChanges: maxMarkChanges, fs: o.FS, dir: dir, log: o.Logger, generations: o.Generations}
	if s.generations == nil {
		s.generations = func(...notify.Generation) {}
	}
	s.index.setBound()
	if s.fs == nil {
		s.fs = vfs.Default
	}
	if err := s.makeDir(); err != nil {
		return nil, fmt.Errorf("make the data directory %s: %w", dir, err)
	}
	if err := s.acquireLock(); err != nil {
		return nil, err
	}
	if err := s.freeBallast(o.Logger); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	if err := s.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store in %s: %w", dir, err), s.lock.Close())
	}
	s.createBallast(o.Logger)
	return s, nil
}

// open opens Pebble's files, once they have been found to be whole, and loads the
// state.
func (s *Store) open(o Options) error {
	opts := s.options(o)
	if err := s.verify(opts); err != nil {
		return err
	}
	s.opening.Store(true)
	db, err := pebble.Open(s.path(), opts)
	s.opening.Store(false)
	if err != nil {
		return s.withAdvice(err)
	}
	s.db, s.snapshots.db = db, db
	if err := s.load(); err != nil {
		return errors.Join(s.withAdvice(err), db.Close())
	}
	return nil
}

// makeDir makes the directory so that a power cut does not take it back: what
// is in it is synced by Pebble, but not that it is there.
func (s *Store) makeDir() error {
	if err := s.fs.MkdirAll(s.path(), 0o700); err != nil {
		return err
	}
	return errors.Join(syncDir(s.fs, s.dir), syncDir(s.fs, filepath.Dir(filepath.Clean(s.dir))))
}

func syncDir(disk vfs.FS, dir string) error {
	d, err := disk.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// path is where Pebble keeps its files: the rest of the directory is left to
// what may come.
func (s *Store) path() string { return filepath.Join(s.dir, "store") }

// acquireLock keeps other processes away from the directory.
func (s *Store) acquireLock() (err error) {
	s.lock, err = pebble.LockDirectory(s.path(), s.fs)
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &errno) && errno != syscall.EAGAIN:
		return fmt.Errorf("lock the store in %s: %w", s.dir, err)
	default: // by another process, or by another service in this one
		return fmt.Errorf("%w: %s (%w)", ErrInUse, s.dir, err)
	}
}

func (s *Store) options(o Options) *pebble.Options {
	log := logger{o.Logger, o.Fatal}
	opts := &pebble.Options{
		FS:                 s.fs,
		Lock:               s.lock,
		FormatMajorVersion: pebble.FormatNewest,
		Merger:             merger(),
		CacheSize:          cacheBytes,
		MemTableSize:       memTableBytes,
		MaxOpenFiles:       maxOpenFiles,
		Logger:             log,

		L0CompactionThreshold: compactionFiles,
		L0StopWritesThreshold: stopWritesFiles,

		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				if s.opening.Load() { // Pebble would try for ever, and Open would never return
					o.Fatal(fmt.Errorf("open the store in %s: %w", s.dir, err))
				}
				if s.failing.Swap(&err) == nil { // it tries again at once, and may fail for long
					o.Logger.Error("the store failed in the background, and tries again", "error", err.Error())
				}
			},
			FlushEnd:      func(i pebble.FlushInfo) { s.backgroundSucceeded(i.Err) },
			CompactionEnd: func(i pebble.CompactionInfo) { s.backgroundSucceeded(i.Err) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				err := fmt.Errorf("data corruption: %w", i.Details)
				s.corrupt.Store(&err)
				o.Logger.Error("the store found corrupt data", "path", i.Path, "error", i.Details)
			},
			WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
				o.Logger.Warn("the store stalls writes", "reason", i.Reason)
			},
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return opts
}

// load reads the state, and refuses a store of another format.
func (s *Store) load() error {
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.reconcile(); err != nil {
		return err
	}
	if err := checkRules(s.state.rules); err != nil {
		return err
	}
	s.snapshots.applied.Store(uint64(s.state.last))
	s.snapshots.truncated.Store(uint64(s.state.truncated))
	s.publishUsage()
	if err := s.index.load(s.db); err != nil {
		return err
	}
	if err := s.revocations.load(s.db); err != nil {
		return err
	}
	known, err := readGenerations(s.db)
	if err != nil {
		return fmt.Errorf("read generations: %w", err)
	}
	s.generations(known...)
	return nil
}

// ErrFormat says that the store was written by another version, in a format that
// this one does not read.
var ErrFormat = errors.New("the store has another format")

// checkFormat writes the format into a new store, and refuses another one.
func (s *Store) checkFormat() error {
	format, err := get(s.db, []byte{kindFormat})
	switch {
	case err != nil:
		return err
	case format == nil:
		if err := s.db.Set([]byte{kindFormat}, []byte{formatVersion}, pebble.Sync); err != nil {
			return fmt.Errorf("write the format: %w", err)
		}
		return nil
	case len(format) != 1 || format[0] != formatVersion:
		return fmt.Errorf("%w: found format %v, and this version reads format %d only; "+
			"start the version that wrote it, or give this one an empty data directory", ErrFormat, format, formatVersion)
	}
	return nil
}

// readState returns what is known of the store as a whole.
func (s *Store) readState() (state, error) { return readStateOf(s.db) }

func readStateOf(r pebble.Reader) (state, error) {
	b, err := get(r, []byte{kindState})
	if err != nil || b == nil {
		return state{}, err
	}
	return readState(b)
}

// Last returns the sequence of the last entry applied. It is to be called
// before the first Apply.
func (s *Store) Last() notify.Sequence { return s.state.last }

// LastTime returns the time of the last entry applied, zero if there is none. It is to
// be called before the first Apply.
func (s *Store) LastTime() time.Time { return s.state.time }

// Close writes out what is in memory and gives the directory back.
func (s *Store) Close() error {
	s.snapshots.retire()
	s.flush()
	if err := errors.Join(s.watermark.close(), s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// flushTimeout is how long Close waits for a flush, which is tried again and again
// while it fails.
const flushTimeout = 5 * time.Second

// flush has what only the log holds sorted into tables, so that the next start
// need not read it again. If it fails, nothing is lost: the next start does.
func (s *Store) flush() {
	if s.Err() != nil {
		return
	}
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return
	}
	timer := time.NewTimer(flushTimeout)
	defer timer.Stop()
	select {
	case <-flushed:
	case <-timer.C:
	}
}

// backgroundSucceeded notes that what failed in the background was managed after all.
func (s *Store) backgroundSucceeded(err error) {
	if err == nil {
		s.failing.Store(nil)
	}
}

// Corrupt returns what the store found broken on the disk, nil if nothing.
func (s *Store) Corrupt() error {
	if err := s.corrupt.Load(); err != nil {
		return *err
	}
	return nil
}

// Err returns why the store should not be relied on now, nil if nothing is
// wrong: it is corrupt, or what it does in the background fails.
func (s *Store) Err() error {
	if err := s.failing.Load(); err != nil {
		return *err
	}
	return s.Corrupt()
}

// Free returns how many bytes the disk of the store has left.
func (s *Store) Free() (uint64, error) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	return usage.AvailBytes, nil
}

// DiskSize returns how many bytes the disk of the store has in all.
func (s *Store) DiskSize() (uint64, error) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return 0, fmt.Errorf("size of the disk of %s: %w", s.dir, err)
	}
	return usage.TotalBytes, nil
}

// get returns a copy of the value of key, nil if there is none.
func get(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	b := append([]byte{}, v...)
	return b, closer.Close()
}
