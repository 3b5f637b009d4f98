package store

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// purgePoll is the interval of looking whether files have been deleted, which Pebble does in the
// background.
const purgePoll = 10 * time.Millisecond

// purging is the state of Purge.
type purging struct {
	ctx  context.Context //nolint:containedctx // ends with EndPurges
	stop context.CancelFunc
	turn chan struct{} // of capacity 1: one Purge runs at a time

	piece   uint64 // bytes of tables in one range: purgePiece, or less in tests
	reserve uint64 // see Options

	erased atomic.Uint64 // sequence of the last erasure; copied from the state after each commit
	upTo   atomic.Uint64 // everything that was removed up to this sequence has left the files
}

// openPurging reads up to which sequence the files were purged.
func (s *Store) openPurging() error {
	s.purging.ctx, s.purging.stop = context.WithCancel(context.Background())
	s.purging.turn = make(chan struct{}, 1)
	b, err := get(s.db, []byte{kindPurged})
	if err != nil || b == nil {
		return err
	}
	r := pack.NewReader(b)
	s.purging.upTo.Store(r.Uint())
	return r.Err()
}

// EndPurges gives up a running Purge, and waits until it does not use the store any more. Others fail
// from then on.
func (s *Store) EndPurges() {
	s.purging.stop()
	s.purging.turn <- struct{}{}
}

// Unpurged returns the sequence of the last erasure if the files have not been purged since, in this
// process or an earlier one; 0 otherwise.
func (s *Store) Unpurged() notify.Sequence {
	erased := s.purging.erased.Load()
	if erased <= s.purging.upTo.Load() {
		return 0
	}
	return notify.Sequence(erased)
}

// Purge removes from the files of the store what entries up to a sequence have removed from the
// state, such as an erased user. When it returns nil, neither tables nor logs have it. It rewrites
// all tables, one range of keys after another, and returns early if ctx ends. If that would leave less
// free space on the disk than the reserve, it stops with an error of kind ErrSpace. That they are
// purged is a record of the store, so that a copy that was made before is purged when it is opened. The
// keys at the ends of tables, which have names of users and topics, may stay in the MANIFEST until the
// store has been opened twice.
func (s *Store) Purge(ctx context.Context, upTo notify.Sequence) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.purging.ctx, cancel)()
	select {
	case s.purging.turn <- struct{}{}:
		defer func() { <-s.purging.turn }()
	case <-ctx.Done():
		return fmt.Errorf("purge the store: %w", ctx.Err())
	}
	if uint64(upTo) <= s.purging.upTo.Load() {
		return nil // another call has done it
	}
	upTo = max(upTo, notify.Sequence(s.purging.erased.Load())) // so that the calls that wait for their turn need not purge again
	err := s.purge(ctx)
	if err == nil {
		err = s.attempt(func() error { return s.db.Set([]byte{kindPurged}, pack.AppendUint(nil, uint64(upTo)), pebble.Sync) })
	}
	if err != nil {
		return fmt.Errorf("purge the store: %w", err)
	}
	s.purging.upTo.Store(uint64(upTo))
	return nil
}

// purge replaces the logs and rewrites the tables. What was removed leaves a table only if no
// snapshot from before can read it, and no running compaction knows of one.
func (s *Store) purge(ctx context.Context) error {
	if err := s.checkPurgeSpace(); err != nil {
		return err
	}
	if err := poll(ctx, s.snapshots.renew()); err != nil {
		return err
	}
	if err := poll(ctx, s.compactions.passed()); err != nil {
		return err
	}
	if err := s.flushed(ctx); err != nil {
		return err
	}
	before, err := s.files(".sst")
	if err != nil {
		return err
	}
	return s.rewriteTables(ctx, before)
}

// asyncFlush begins to write the memtables into tables, and returns what is closed at the end.
func (s *Store) asyncFlush() (done <-chan struct{}, err error) {
	err = s.attempt(func() (err error) {
		done, err = s.db.AsyncFlush()
		return err
	})
	return done, err
}

// flushed writes the memtables into tables.
func (s *Store) flushed(ctx context.Context) error {
	done, err := s.asyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// purgeLogs replaces all logs by new files.
func (s *Store) purgeLogs(ctx context.Context) error {
	logs, err := s.files(".log")
	if err != nil {
		return err
	}
	s.reuse.refused.Add(1)
	defer s.reuse.refused.Add(-1)
	return poll(ctx, func() (done bool, err error) {
		if err := s.flushed(ctx); err != nil {
			return false, err
		}
		left, err := s.files(".log")
		for name := range left {
			if logs[name] {
				return false, err
			}
		}
		return true, err
	})
}

// files returns the names of files with an extension.
func (s *Store) files(ext string) (map[string]bool, error) {
	names, err := s.fs.List(s.path())
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, name := range names {
		if filepath.Ext(name) == ext {
			found[name] = true
		}
	}
	return found, nil
}

// poll calls f until it reports true or fails, or ctx ends.
func poll(ctx context.Context, f func() (done bool, err error)) error {
	tick := time.NewTicker(purgePoll)
	defer tick.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reusingFS is a file system in which files are reused, by Pebble for new logs, unless that is
// refused: then the old file is removed, with what it has behind the end of the new content.
type reusingFS struct {
	vfs.FS
	refused *atomic.Int32
}

// ReuseForWrite is of vfs.FS.
func (f reusingFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.refused.Load() == 0 {
		return f.FS.ReuseForWrite(old, name, category)
	}
	if err := f.Remove(old); err != nil {
		return nil, err
	}
	return f.Create(name, category)
}

// Unwrap is of vfs.FS.
func (f reusingFS) Unwrap() vfs.FS { return f.FS }

// reuse says whether Pebble may reuse files.
type reuse struct{ refused atomic.Int32 }

func (r *reuse) wrap(disk vfs.FS) vfs.FS { return reusingFS{disk, &r.refused} }
