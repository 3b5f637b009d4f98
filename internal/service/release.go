package service

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

const (
	releaseEvery = time.Second      // what is due is looked for at least so often
	releaseSoon  = time.Millisecond // and at most so often, but for what comes to be due sooner
	releaseMost  = 100              // deferred notifications that are released together
)

// release delivers what was deferred when it is due, until ctx ends. It does so
// on a full disk too: what was accepted is delivered.
func (s *Service) release(ctx context.Context) {
	timer := time.NewTimer(0) // what came to be due while nobody ran is late already
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.sooner:
		}
		wait := releaseEvery
		err := safely(func() (err error) {
			wait, err = s.releaseDue(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Error("deferred publishes could not be delivered; trying again", "error", err)
		}
		timer.Reset(wait)
	}
}

// deferred sees to it that what is deferred until at is looked at in time.
func (s *Service) deferred(at time.Time) {
	if time.Until(at) >= releaseEvery {
		return
	}
	select {
	case s.sooner <- struct{}{}:
	default: // it is about to look
	}
}

// releaseDue releases all that is due, in the order of time, and returns when to
// look again.
func (s *Service) releaseDue(ctx context.Context) (wait time.Duration, err error) {
	var last notify.Deferred
	for ctx.Err() == nil {
		due, next, err := s.opts.Store.DueDeferred(time.Now(), releaseMost)
		switch {
		case err != nil:
			return releaseEvery, fmt.Errorf("look for what is due: %w", err)
		case len(due) == 0 && next.IsZero():
			return releaseEvery, nil
		case len(due) == 0:
			return min(max(releaseSoon, time.Until(next)), releaseEvery), nil
		case due[0] == last: // the clock was set back, and it is too early again
			return releaseEvery, nil
		}
		last = due[0]
		if err := s.releaseAll(ctx, due); err != nil {
			return releaseEvery, err
		}
	}
	return releaseEvery, nil
}

func (s *Service) releaseAll(ctx context.Context, due []notify.Deferred) error {
	entries := make([]notify.Entry, len(due))
	for i := range due {
		entries[i] = notify.Release{Ref: due[i]}
	}
	for _, v := range s.opts.Journal.Append(ctx, entries...) {
		if v.Err != nil { // that one was recalled meanwhile is no error
			return fmt.Errorf("append a release: %w", v.Err)
		}
	}
	return nil
}
