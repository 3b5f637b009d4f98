package store

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// snapshot is the store at one moment: after a group was applied, or while one is.
// All who read until that is done share it, since each snapshot of Pebble's has
// it look for compactions when it is closed.
type snapshot struct {
	*pebble.Snapshot
	applied   notify.Sequence // nothing behind it can be read here
	truncated notify.Sequence // before it, any reader may have a hole

	owner   *snapshots
	holders int // guarded by of.mu
}

// snapshots has the current view, if there is one: it is made for who comes first.
type snapshots struct {
	db        *pebble.DB
	applied   atomic.Uint64 // nothing behind this sequence can be read
	truncated atomic.Uint64 // before this sequence, any reader may have a hole

	mu      sync.Mutex
	current *snapshot
}

// acquire returns a view of all that was applied when it is called. Who takes it
// leaves it.
func (s *snapshots) acquire() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		v := &snapshot{Snapshot: s.db.NewSnapshot(), owner: s, holders: 1} // being current is one
		v.applied = notify.Sequence(s.applied.Load())
		v.truncated = notify.Sequence(s.truncated.Load())
		s.current = v
	}
	s.current.holders++
	return s.current
}

// retire has who comes from now on see what was applied.
func (s *snapshots) retire() {
	s.mu.Lock()
	v := s.current
	s.current = nil
	s.mu.Unlock()
	if v != nil {
		v.release()
	}
}

func (s *snapshot) release() {
	s.owner.mu.Lock()
	s.holders--
	last := s.holders == 0
	s.owner.mu.Unlock()
	if last {
		_ = s.Close() // it never fails
	}
}
