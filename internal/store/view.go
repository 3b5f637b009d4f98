package store

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// view is the store at one moment: after a group was applied, or while one is.
// All who read until that is done share it, since each snapshot of Pebble's has
// it look for compactions when it is closed.
type view struct {
	*pebble.Snapshot
	applied notify.Sequence // nothing behind it can be read here
	folded  notify.Sequence // before it, any reader may have a hole

	of      *views
	holders int // guarded by of.mu
}

// views has the current view, if there is one: it is made for who comes first.
type views struct {
	db      *pebble.DB
	applied atomic.Uint64 // nothing behind this sequence can be read
	folded  atomic.Uint64 // before this sequence, any reader may have a hole

	mu      sync.Mutex
	current *view
}

// take returns a view of all that was applied when it is called. Who takes it
// leaves it.
func (a *views) take() *view {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		v := &view{Snapshot: a.db.NewSnapshot(), of: a, holders: 1} // being current is one
		v.applied = notify.Sequence(a.applied.Load())
		v.folded = notify.Sequence(a.folded.Load())
		a.current = v
	}
	a.current.holders++
	return a.current
}

// turn has who comes from now on see what was applied.
func (a *views) turn() {
	a.mu.Lock()
	v := a.current
	a.current = nil
	a.mu.Unlock()
	if v != nil {
		v.leave()
	}
}

func (v *view) leave() {
	v.of.mu.Lock()
	v.holders--
	last := v.holders == 0
	v.of.mu.Unlock()
	if last {
		_ = v.Close() // it never fails
	}
}
