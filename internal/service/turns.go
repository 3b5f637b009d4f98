package service

import (
	"context"
	"sync"

	"github.com/bellhop/bellhop/internal/notify"
)

// turns let one caller at a time do something for a user. They take memory for users
// with a caller only.
type turns struct {
	mu    sync.Mutex
	users map[notify.UserID]*turn
}

type turn struct {
	token   chan struct{} // has one while nobody has the turn
	callers int           // that have it or wait for it; guarded by turns.mu
}

// take waits until it is its caller's turn, and fails if ctx ends first. The caller
// calls done when the next may begin.
func (t *turns) take(ctx context.Context, u notify.UserID) (done func(), err error) {
	own := t.join(u)
	select {
	case <-own.token:
		return func() { own.token <- struct{}{}; t.leave(u, own) }, nil
	case <-ctx.Done():
		t.leave(u, own)
		return nil, ctx.Err()
	}
}

func (t *turns) join(u notify.UserID) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.users[u]
	if own == nil {
		own = &turn{token: make(chan struct{}, 1)}
		own.token <- struct{}{}
		if t.users == nil {
			t.users = map[notify.UserID]*turn{}
		}
		t.users[u] = own
	}
	own.callers++
	return own
}

func (t *turns) leave(u notify.UserID, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.callers--; own.callers == 0 {
		delete(t.users, u)
	}
}
