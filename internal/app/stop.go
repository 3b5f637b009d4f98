package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// shutdownMost is how long requests under way may take once the connections
// have gone.
const shutdownMost = 12 * time.Second // more than an append may take

// announceStop turns /readyz to 503 and serves on for the drain delay, so that load
// balancers can send new work elsewhere. It returns early if something fails.
func (s *node) announceStop() error {
	s.stopping.Store(true)
	s.logger.Info("stopping", "connections", s.hub.Count(), "delay", s.cfg.DrainDelay, "window", s.cfg.DrainWindow)
	timer := time.NewTimer(s.cfg.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-s.failed:
		return err
	}
}

// notStarted returns why the service could not start. A start that was given up
// because a stop was asked for meanwhile is no failure; anything else that is wrong
// is one even then, such as a damaged store.
func (s *node) notStarted(ctx context.Context, err error) error {
	givenUp := errors.Is(err, context.Canceled) || errors.Is(err, notify.ErrUnavailable) || errors.Is(err, notify.ErrOutcomeUnknown)
	if ctx.Err() == nil || !givenUp {
		return err
	}
	s.logger.Info("stopped before the start was complete", "error", err)
	return nil
}

// ready returns why this node should not be sent new work, or nil.
func (s *node) ready() error {
	if s.stopping.Load() {
		return notify.Errorf(notify.ErrDraining, "this node is stopping")
	}
	if err := s.verifier.Ready(); err != nil {
		return err
	}
	return s.service.Ready()
}

// shutdown closes the listeners and lets requests under way finish, within bounds:
// one whose body never comes, or whose answer is never read, is cut off.
func (s *node) shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownMost)
	defer cancel()
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, server := range servers {
		all.Go(func() {
			errs[i] = server.Shutdown(ctx)
			if errors.Is(errs[i], context.DeadlineExceeded) {
				s.logger.Warn("requests that did not end are cut off", "after", shutdownMost)
				errs[i] = server.Close()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
