package limit

import (
	"context"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Principals limits users and backends at different rates. A nil Principals allows
// everything.
type Principals struct {
	Users, Backends *Limiter // nil: no limit
}

// Allow takes one from the bucket of p, as Limiter.Allow does.
func (l *Principals) Allow(p notify.Principal) error {
	switch {
	case l == nil:
		return nil
	case p.IsBackend():
		return l.Backends.Allow(p.Name, 1)
	}
	return l.Users.Allow(p.Name, 1)
}

// Charge takes n from the bucket of p for work that has been done, as Limiter.Charge does.
func (l *Principals) Charge(p notify.Principal, n int) {
	switch {
	case l == nil:
	case p.IsBackend():
		l.Backends.Charge(p.Name, n)
	default:
		l.Users.Charge(p.Name, n)
	}
}

// refusalDelay is the delay of an answer that refuses a request by rate.
const refusalDelay = 100 * time.Millisecond

// Delay waits for refusalDelay or until ctx ends. Callers call it before they refuse a
// request by rate: a refusal costs nearly as much as some requests, and a client that sends
// the next request on the same connection after each refusal is slowed down to ten in a
// second.
func Delay(ctx context.Context) {
	timer := time.NewTimer(refusalDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
