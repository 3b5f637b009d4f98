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

// lastRequests is the time from the beginning of a stop to the end of idle connections of clients. Those
// that are used in this time close after an answer: see parting.
const lastRequests = 100 * time.Millisecond

// beginStop makes /readyz answer 503. It may be called several times.
func (s *node) beginStop() {
	at := time.Now()
	s.stoppingSince.CompareAndSwap(nil, &at)
}

func (s *node) isStopping() bool { return s.stoppingSince.Load() != nil }

// awaitLastRequests waits until the clients have used their connections once more, or have none, or
// lastRequests have passed since the beginning of the stop.
func (s *node) awaitLastRequests() {
	since := s.stoppingSince.Load()
	if since == nil {
		return
	}
	timer := time.NewTimer(time.Until(since.Add(lastRequests)))
	defer timer.Stop()
	ticker := time.NewTicker(lastRequests / 20)
	defer ticker.Stop()
	for s.conns.count() > 0 {
		select {
		case <-timer.C:
			return
		case <-ticker.C:
		}
	}
}

// parting serves h and, once this node stops, closes each connection after its answer. A client then
// knows that its next request needs another one. If the service closed the connection when the
// client has just sent that request, the client would not know whether it was carried out.
func (s *node) parting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.isStopping() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// announceStop makes /readyz answer 503 and keeps serving for the drain delay, so that load
// balancers send new work elsewhere. It returns early if a part fails.
func (s *node) announceStop() error {
	s.beginStop()
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
	if s.isStopping() {
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
	s.beginStop()
	s.backups.end()
	if s.cluster != nil {
		s.cluster.writer.end()
	}
	s.store.EndPurges()
}

// shutdown closes the listeners and waits for the requests that have begun, at most
// maxShutdown. It closes the connections of the others, such as one whose body never ends.
func (s *node) shutdown(servers []*http.Server) error {
	s.awaitLastRequests()
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
