package store

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// snapshot is a read-only state of the store at one moment. Readers share the current
// snapshot until the next commit, because closing one makes Pebble check for compactions.
type snapshot struct {
	*pebble.Snapshot
	applied   notify.Sequence // no later sequence can be read in the snapshot
	truncated notify.Sequence // a reader with an earlier cursor may have a gap

	owner *snapshots
	refs  int // number of references, of readers and of snapshots.current; guarded by the mu of snapshots
}

// snapshots holds the current snapshot. It is created by the first reader after a commit.
type snapshots struct {
	db        *pebble.DB
	applied   atomic.Uint64 // no later sequence can be read
	truncated atomic.Uint64 // a reader with an earlier cursor may have a gap

	mu      sync.Mutex
	current *snapshot
	open    map[*snapshot]struct{} // those that are not closed
}

// acquire returns a snapshot that contains every transaction committed before the call.
// The caller must release it.
func (s *snapshots) acquire() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		v := &snapshot{Snapshot: s.db.NewSnapshot(), owner: s, refs: 1} // the reference of s.current; that of the reader is added below
		v.applied = notify.Sequence(s.applied.Load())
		v.truncated = notify.Sequence(s.truncated.Load())
		if s.open == nil {
			s.open = map[*snapshot]struct{}{}
		}
		s.current, s.open[v] = v, struct{}{}
	}
	s.current.refs++
	return s.current
}

// retire makes the next acquire create a new snapshot. It is called after each commit.
func (s *snapshots) retire() {
	s.mu.Lock()
	v := s.takeLocked()
	s.mu.Unlock()
	v.release()
}

// takeLocked removes the current snapshot, and returns it, or nil if there is none. The caller must
// unlock mu before it releases the snapshot.
func (s *snapshots) takeLocked() *snapshot {
	v := s.current
	s.current = nil
	return v
}

// release removes a reference to s, which may be nil. The last one closes s.
func (s *snapshot) release() {
	if s == nil {
		return
	}
	s.owner.mu.Lock()
	s.refs--
	last := s.refs == 0
	if last {
		delete(s.owner.open, s)
	}
	s.owner.mu.Unlock()
	if last {
		_ = s.Close() // never fails
	}
}

// renew retires the current snapshot, and returns a function that reports whether all snapshots from
// before the call are closed.
func (s *snapshots) renew() func() (closed bool, err error) {
	s.mu.Lock()
	v := s.takeLocked()
	before := maps.Clone(s.open) // at the same time: the next reader creates a snapshot that may stay current
	s.mu.Unlock()
	v.release()
	return func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for v := range before {
			if _, isOpen := s.open[v]; isOpen {
				return false, nil
			}
		}
		return true, nil
	}
}
