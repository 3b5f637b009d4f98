package limit

import "github.com/bellhop/bellhop/internal/notify"

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
