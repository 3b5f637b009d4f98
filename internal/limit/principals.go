package limit

import (
	"context"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Principals holds users and backends to rates of their own. A nil Principals
// allows everything.
type Principals struct {
	Users, Backends *Limiter // nil: no limit
}

// Allow takes one from what p may do, as Limiter.Allow does.
func (l *Principals) Allow(p notify.Principal) error {
	switch {
	case l == nil:
		return nil
	case p.IsBackend():
		return l.Backends.Allow(p.Name, 1)
	}
	return l.Users.Allow(p.Name, 1)
}

// Charge takes n from what p may do for work that is done, as Limiter.Charge does.
func (l *Principals) Charge(p notify.Principal, n int) {
	switch {
	case l == nil:
	case p.IsBackend():
		l.Backends.Charge(p.Name, n)
	default:
		l.Users.Charge(p.Name, n)
	}
}

// refusalDelay is how long the refusal of a principal that asks too often waits.
const refusalDelay = 100 * time.Millisecond

// Delay waits a moment before a principal receives a refusal for asking too often,
// unless ctx ends. A refusal costs nearly as much as some requests do: a client that
// answers it with the next request on the same connection is slowed down to a few.
func Delay(ctx context.Context) {
	timer := time.NewTimer(refusalDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
