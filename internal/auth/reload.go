package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bellhop/bellhop/internal/watch"
)

// Reload reads every file and fetches every key set now, without waiting for
// the next look at it. It returns, joined, the errors of those that cannot be
// loaded; their last good versions stay in force, and the log has them too.
func (v *Verifier) Reload(ctx context.Context) error {
	var all reload
	if v.issuers != nil {
		add(ctx, &all, v.issuers)
		all.running.Wait() // first: it says which issuers there are
	}
	for _, i := range v.everyIssuer() {
		for _, s := range i.sources {
			add(ctx, &all, s)
		}
	}
	if v.apiKeys != nil {
		add(ctx, &all, v.apiKeys)
	}
	if v.webhooks != nil {
		add(ctx, &all, v.webhooks)
	}
	all.running.Wait()
	return errors.Join(all.errs...)
}

// reload is one that is under way.
type reload struct {
	running sync.WaitGroup

	mu   sync.Mutex
	errs []error // guarded by mu
}

// add reloads s in a goroutine of its own.
func add[T any](ctx context.Context, all *reload, s *watch.Source[T]) {
	all.running.Go(func() {
		err := s.Reload(ctx)
		if err == nil || errors.Is(err, watch.ErrEnded) { // its issuer was removed meanwhile
			return
		}
		all.mu.Lock()
		defer all.mu.Unlock()
		all.errs = append(all.errs, fmt.Errorf("%s: %w", s.Name(), err))
	})
}
