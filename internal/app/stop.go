package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// maxShutdown is how long requests may take to finish once the connections are closed. It is
// more than the timeout of an append.
const maxShutdown = 12 * time.Second

// announceStop makes /readyz answer 503 and keeps serving for the drain delay, so that load
// balancers send new work elsewhere. It returns early if a part fails.
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

// notStarted returns the error of a failed start. It returns nil if the start was interrupted
// because ctx has ended. Other errors, such as a damaged store, are returned even then.
func (s *node) notStarted(ctx context.Context, err error) error {
	interrupted := errors.Is(err, context.Canceled) || errors.Is(err, notify.ErrUnavailable) || errors.Is(err, notify.ErrOutcomeUnknown)
	if ctx.Err() == nil || !interrupted {
		return err
	}
	s.logger.Info("stopped before the start was complete", "error", err)
	return nil
}

// errStopping refuses what a node that stops does not begin, and ends what takes longer than a stop.
var errStopping = notify.Errorf(notify.ErrDraining, "this node is stopping")

// ready returns nil if this node should get new work, or an error with the reason.
func (s *node) ready() error {
	if s.stopping.Load() {
		return errStopping
	}
	if err := s.verifier.Ready(); err != nil {
		return err
	}
	if !s.serving.Load() {
		return s.cluster.waiting()
	}
	err := s.service.Ready()
	if err == nil && s.cluster != nil {
		err = s.cluster.ready()
	}
	return err
}

// endLongRequests makes the node unready, and ends backups, checkpoints and purges of the store: all may
// take longer than a stop.
func (s *node) endLongRequests() {
	s.stopping.Store(true)
	s.backups.end()
	if s.cluster != nil {
		s.cluster.writer.end()
	}
	s.store.EndPurges()
}

// shutdown closes the listeners and waits for the requests that have begun, at most
// maxShutdown. It closes the connections of the others, such as one whose body never ends.
func (s *node) shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), maxShutdown)
	defer cancel()
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, server := range servers {
		all.Go(func() {
			errs[i] = server.Shutdown(ctx)
			if errors.Is(errs[i], context.DeadlineExceeded) {
				s.logger.Warn("requests have not ended in time; their connections are closed", "after", maxShutdown)
				errs[i] = server.Close()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
