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

// formatVersion must be raised with every change to the encoding of keys or values. No
// release has written an earlier format: a store of any other format is refused and not
// migrated.
const formatVersion = 18

// Bounds of Pebble's memory. Pebble takes its two memtables out of the cache.
const (
	memTableBytes = 16 << 20
	cacheBytes    = 64<<20 + 2*memTableBytes
)

// Numbers of flushed tables (of level 0) at which compaction begins, and at which writes
// wait for it. They are twice Pebble's defaults, since a history is read in one range.
const (
	compactionFiles = 8
	stopWritesFiles = 24
)

// maxCompactions is the number of compactions that run at a time. The second one begins when flushed
// tables accumulate, so writes need not wait for a long compaction, such as one of Purge.
const maxCompactions = 2

// maxOpenFiles is the number of tables that are kept open. The rest of the process's file
// descriptors is for connections.
const maxOpenFiles = 400

// Options are the options of Open.
type Options struct {
	Logger *slog.Logger

	// Fatal ends the process and must not return. It is called if a write to the log
	// fails, since a later success would prove nothing about the disk, and if a write
	// fails while Open replays the log, since Pebble would retry endlessly.
	Fatal func(error)

	// Generations receives the generations of the journal, oldest first: all existing
	// ones from Open, and each new one from Apply before that returns. A node therefore
	// knows a generation before it delivers any sequence of it. nil: none are passed on.
	Generations func(...notify.Generation)

	// Replicated says that the store follows the journal of a cluster: entries are applied
	// by ApplyAt. Otherwise Apply applies them, and the store leaves the cluster that it
	// may have belonged to.
	Replicated bool

	Metrics Metrics // nil: none

	// Reserve is the number of free bytes of the disk that Purge leaves.
	Reserve uint64

	// FS replaces the disk in tests; nil is the disk.
	FS vfs.FS
}

// Store is the state of one node, in a directory of its own. Apply must be called by one
// goroutine at a time. All other methods may be called by any.
type Store struct {
	db   *pebble.DB
	fs   vfs.FS
	dir  string
	lock *pebble.Lock
	log  *slog.Logger

	metrics     Metrics
	fatal       func(error)                // see Options
	generations func(...notify.Generation) // see Options

	lost uint64 // number of entries that were durable once and are missing

	// Errors of Pebble's background work. failing is cleared when a later attempt
	// succeeds; corrupt stays.
	opening atomic.Bool // while Pebble replays its log
	failing atomic.Pointer[error]
	corrupt atomic.Pointer[error]

	// Used by Apply alone.
	state                      state
	sizes                      Sizes // of which state.other consists
	histories                  histories
	buffer, record             []byte
	batchBytes                 int        // see nextBatchBytes
	maxMarkChanges, walkBudget int        // those of the rules, or less in tests
	watermark                  *watermark // nil: the store is replicated
	replica                    replica
	replicated                 bool // see Options

	rules       atomic.Uint32              // in force; copied from the state after each commit
	usage       [3]atomic.Uint64           // bytes of notifications, of all else, and of removals; copied from the state after each commit
	published   [numContents]atomic.Uint64 // sizes; copied after each commit
	revocations revocations
	index       sequenceIndex
	snapshots   snapshots
	purging     purging
	compactions compactions
	reuse       reuse
}

// ErrInUse says that another process has the data directory open.
var ErrInUse = errors.New("another process is using the data directory")

// Open opens the store in dir, and creates it if the directory has none. If another process
// has it open, the error is ErrInUse.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{
		maxMarkChanges: maxMarkChanges, walkBudget: walkBudget,
		fs: o.FS, dir: dir, log: o.Logger, metrics: o.Metrics, fatal: o.Fatal, generations: o.Generations, replicated: o.Replicated,
	}
	if s.metrics == nil {
		s.metrics = noMetrics{}
	}
	if s.generations == nil {
		s.generations = func(...notify.Generation) {}
	}
	s.index.setBound()
	s.purging.piece, s.purging.reserve = purgePiece, o.Reserve
	if s.fs == nil {
		s.fs = vfs.Default
	}
	if err := s.checkRestored(); err != nil {
		return nil, err
	}
	if err := s.makeDir(); err != nil {
		return nil, fmt.Errorf("create the data directory %s: %w", dir, err)
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

// open verifies Pebble's files, opens them and loads the state.
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
	if err := s.load(o); err != nil {
		return errors.Join(s.withAdvice(err), db.Close())
	}
	return nil
}

// makeDir creates the directory and syncs its parents: Pebble syncs the contents of its
// directory, but not the entry in the parent.
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

// path returns the directory of Pebble's files. The ballast and the watermark are next to
// it.
func (s *Store) path() string { return filepath.Join(s.dir, "store") }

// acquireLock locks the directory against other processes.
func (s *Store) acquireLock() (err error) {
	s.lock, err = pebble.LockDirectory(s.path(), s.fs)
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &errno) && errno != syscall.EAGAIN:
		return fmt.Errorf("lock the store in %s: %w", s.dir, err)
	default: // another process, or another service in this process, has the lock
		return fmt.Errorf("%w: %s (%w)", ErrInUse, s.dir, err)
	}
}

func (s *Store) options(o Options) *pebble.Options {
	log := logger{o.Logger, o.Fatal}
	opts := &pebble.Options{
		FS:                 s.reuse.wrap(s.fs),
		Lock:               s.lock,
		FormatMajorVersion: pebble.FormatNewest,
		Merger:             merger(),
		CacheSize:          cacheBytes,
		MemTableSize:       memTableBytes,
		MaxOpenFiles:       maxOpenFiles,
		Logger:             log,

		L0CompactionThreshold: compactionFiles,
		L0StopWritesThreshold: stopWritesFiles,

		CompactionConcurrencyRange: func() (lower, upper int) { return 1, maxCompactions },

		EventListener: s.listener(o),
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return opts
}

// load loads the state into memory.
func (s *Store) load(o Options) error {
	if err := s.writeFormat(); err != nil {
		return err
	}
	if err := s.loadReplica(o.Replicated); err != nil {
		return err
	}
	if err := s.reconcile(o.Replicated); err != nil {
		return err
	}
	if err := s.loadSizes(); err != nil {
		return err
	}
	s.snapshots.applied.Store(uint64(s.state.last))
	s.snapshots.truncated.Store(uint64(s.state.truncated))
	s.publishState()
	if err := s.index.load(s.db); err != nil {
		return err
	}
	if err := s.revocations.load(s.db); err != nil {
		return err
	}
	if err := s.openPurging(); err != nil {
		return err
	}
	known, err := readGenerations(s.db)
	if err != nil {
		return fmt.Errorf("read generations: %w", err)
	}
	s.generations(known...)
	return nil
}

// ErrFormat says that the store has a format that this version does not read.
var ErrFormat = errors.New("the store has another format")

// checkFormat returns an error of kind ErrFormat unless format is that of this version.
func checkFormat(format []byte) error {
	if len(format) == 1 && format[0] == formatVersion {
		return nil
	}
	return fmt.Errorf("%w: found format %v, and this version reads format %d only; "+
		"start the version that wrote it, or give this one an empty data directory", ErrFormat, format, formatVersion)
}

// writeFormat writes the format into a new store. verify has checked that of any other.
//
// The first log of a new store is written before Pebble knows its format. In such a log Pebble
// takes a damaged entry for the end, and drops the intact ones after it. Therefore the log is
// replaced before it has an entry of the journal.
func (s *Store) writeFormat() error {
	if format, err := get(s.db, []byte{kindFormat}); err != nil || format != nil {
		return err
	}
	if err := s.db.Set([]byte{kindFormat}, []byte{formatVersion}, pebble.Sync); err != nil {
		return fmt.Errorf("write the format: %w", err)
	}
	if _, err := s.asyncFlush(); err != nil {
		return fmt.Errorf("begin the second log: %w", err)
	}
	return nil
}

// readState reads the state of the store as a whole.
func (s *Store) readState() (state, error) { return readStateOf(s.db) }

func readStateOf(r pebble.Reader) (state, error) {
	b, err := get(r, []byte{kindState})
	if err != nil || b == nil {
		return state{}, err
	}
	return readState(b)
}

// Last returns the sequence of the last entry applied. It must not be called after the
// first Apply.
func (s *Store) Last() notify.Sequence { return s.state.last }

// LastTime returns the time of the last entry applied, zero if there is none. It must not
// be called after the first Apply.
func (s *Store) LastTime() time.Time { return s.state.time }

// Close flushes the memtables and releases the directory. Readers and Apply must have
// returned.
func (s *Store) Close() error {
	s.purging.stop() // the caller has called EndPurges if one may be running
	s.snapshots.retire()
	s.flush()
	if err := errors.Join(s.watermark.close(), s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// flushTimeout is the time for which Close waits for the flush. Pebble retries a failed
// flush without end.
const flushTimeout = 5 * time.Second

// flush writes the memtables into tables, so that the next start need not replay the log.
// Without it nothing is lost.
func (s *Store) flush() {
	if s.Err() != nil {
		return
	}
	flushed, err := s.asyncFlush()
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

// Corrupt returns the corruption that the store has found on disk, nil if there is none.
func (s *Store) Corrupt() error {
	if err := s.corrupt.Load(); err != nil {
		return *err
	}
	return nil
}

// Err returns the reason why the store is not healthy, nil if it is: corruption, or
// failing background work.
func (s *Store) Err() error {
	if err := s.failing.Load(); err != nil {
		return *err
	}
	return s.Corrupt()
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
