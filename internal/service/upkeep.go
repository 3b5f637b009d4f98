package service

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// upkeepEvery is the interval of checking the disk and of searching for expired entries.
const upkeepEvery = time.Second

const (
	releaseEvery = time.Second      // longest interval between two searches for due notifications
	releaseSoon  = time.Millisecond // shortest interval, unless a publish requests a search
	maxReleased  = 100              // deferred notifications that are released together
)

// Run watches the disk of this node, purges its files after an erasure, records receipts and,
// while the node holds the lease, runs the upkeep of the journal. It returns when ctx has ended.
func (s *Service) Run(ctx context.Context) {
	var upkeep sync.WaitGroup
	defer upkeep.Wait()
	upkeep.Go(func() { s.runLeased(ctx) })
	upkeep.Go(func() { s.purgeErased(ctx) })
	upkeep.Go(func() { s.recordReceipts(ctx) })
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.watchDisk()
			if err := s.opts.Store.SyncWatermark(); err != nil {
				s.opts.Logger.Warn("syncing the watermark failed", "error", err)
			}
		}
	}
}

// runLeased runs upkeep each time that this node holds the lease, until ctx ends.
func (s *Service) runLeased(ctx context.Context) {
	for ctx.Err() == nil {
		held, release, err := s.opts.Lease.Acquire(ctx)
		if err == nil {
			s.upkeep(held)
			release()
			continue
		}
		if ctx.Err() == nil {
			s.opts.Logger.Error("acquiring the upkeep lease failed; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(upkeepEvery):
		}
	}
}

// upkeep removes expired entries, delivers deferred notifications, completes interrupted erasures,
// and brings later rules into force, until ctx ends. Applying the entries decides what is removed
// or delivered, so two nodes may run it at the same time.
func (s *Service) upkeep(ctx context.Context) {
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() { s.releaseDeferred(ctx) })
	others.Go(func() { s.completeErasures(ctx) })
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if err := s.task(ctx, "cleanup", func() error { return s.cleanUp(ctx, now) }); err != nil {
				s.opts.Logger.Error("removing expired entries failed; trying again", "error", err)
			}
			if err := s.raiseRules(ctx); err != nil {
				s.opts.Logger.Warn("bringing later rules into force failed; trying again", "error", err)
			}
		}
	}
}

// task calls do, and counts it. It returns no error after ctx has ended, since that is the reason then.
// A panic is an error.
func (s *Service) task(ctx context.Context, name string, do func() error) error {
	begun := time.Now()
	err := recovering(do)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // its end is the reason
	}
	s.opts.Metrics.Upkeep(name, time.Since(begun), err != nil)
	return err
}

// recovering calls do and turns a panic into an error: upkeep must not end the
// process.
func recovering(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// cleanUp removes everything that has expired or that retention no longer keeps, a
// bounded number per entry.
func (s *Service) cleanUp(ctx context.Context, now time.Time) error {
	cleanup := notify.Cleanup{Retention: s.opts.Retention, MaxBytes: s.opts.MaxBytes}
	due, err := s.opts.Store.Due(now, cleanup)
	if err != nil {
		return fmt.Errorf("look for expired entries: %w", err)
	}
	for due && ctx.Err() == nil {
		v := s.opts.Journal.Append(ctx, cleanup)[0]
		if v.Err != nil {
			return fmt.Errorf("append a cleanup: %w", v.Err)
		}
		due = v.More
	}
	return nil
}

// raiseRules brings the latest rules that all nodes can apply into force. From then on, an
// earlier program says that it must be updated.
func (s *Service) raiseRules(ctx context.Context) error {
	before, rules := s.opts.Store.Rules(), s.opts.commonRules()
	if rules <= before {
		return nil
	}
	if err := s.task(ctx, "rules", func() error { return beginGeneration(ctx, &s.opts, rules) }); err != nil || ctx.Err() != nil {
		return err
	}
	s.opts.Logger.Info("later rules are in force, which every node of this cluster has announced", "rules", rules, "before", before)
	return nil
}

// releaseDeferred delivers deferred notifications when they are due, until ctx ends.
// It goes on while the disk is full: an accepted notification is delivered.
func (s *Service) releaseDeferred(ctx context.Context) {
	timer := time.NewTimer(0) // some may have become due while no node ran
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.dueSooner:
		}
		wait := releaseEvery
		err := s.task(ctx, "release", func() (err error) {
			wait, err = s.releaseDue(ctx)
			return err
		})
		if err != nil {
			s.opts.Logger.Error("deferred notifications could not be delivered; trying again", "error", err)
		}
		timer.Reset(wait)
	}
}

// noteDeferred wakes releaseDeferred if a notification that is deferred until at
// would otherwise be released late.
func (s *Service) noteDeferred(at time.Time) {
	if time.Until(at) >= releaseEvery {
		return
	}
	select {
	case s.dueSooner <- struct{}{}:
	default: // releaseDeferred is about to search
	}
}

// releaseDue releases all notifications that are due, ordered by time, and returns the
// time until the next search.
func (s *Service) releaseDue(ctx context.Context) (wait time.Duration, err error) {
	var last notify.Deferred
	for ctx.Err() == nil {
		due, next, err := s.opts.Store.DueDeferred(time.Now(), maxReleased)
		switch {
		case err != nil:
			return releaseEvery, fmt.Errorf("look for due notifications: %w", err)
		case len(due) == 0 && next.IsZero():
			return releaseEvery, nil
		case len(due) == 0:
			return min(max(releaseSoon, time.Until(next)), releaseEvery), nil
		case due[0] == last: // its release came too early by the journal's time: the clock was set back meanwhile
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
		if v.Err != nil { // a recall or release meanwhile is not an error
			return fmt.Errorf("append a release: %w", v.Err)
		}
	}
	return nil
}
