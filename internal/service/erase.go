package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// Erase removes everything that is kept about a user. Each node ends the user's connections
// after they have received which notifications disappear. When Erase returns nil, the files of
// this node's store have neither text nor read state of the user; other nodes purge theirs in
// the background. On a full disk it fails with ErrOutcomeUnknown after it has erased all but the
// files. Its errors are of the kinds ErrScope, if by may not administer u, ErrUnavailable and
// ErrOutcomeUnknown, after which what has begun goes on in the background.
func (s *Service) Erase(ctx context.Context, by notify.Principal, u notify.UserID) error {
	if err := by.MayAdminister(u); err != nil {
		return err
	}
	last, err := s.erase(ctx, notify.Erase{User: u})
	if errors.Is(err, notify.ErrOutcomeUnknown) {
		return errErasing()
	}
	if err != nil {
		return err
	}
	err = s.opts.Store.Purge(ctx, last)
	switch {
	case errors.Is(err, store.ErrSpace):
		return notify.Errorf(notify.ErrOutcomeUnknown, "the user is erased, but stays in files of the store: the disk has too little free space to rewrite them; "+
			"this is repeated in the background, and by a retry")
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded): // by the caller, or this node stops
		return errErasing()
	case err != nil:
		return fmt.Errorf("erase a user: %w", err)
	}
	return nil
}

func errErasing() error {
	return notify.Errorf(notify.ErrOutcomeUnknown, "the erasure may have begun, and did not end in time; what has begun goes on in the background, "+
		"and a retry tells when it is complete")
}

// erase appends e and the entries that continue it, and returns the sequence of the last one.
func (s *Service) erase(ctx context.Context, e notify.Erase) (last notify.Sequence, err error) {
	for {
		v := s.opts.Journal.Append(ctx, e)[0]
		if v.Err != nil || !v.More {
			return v.Sequence, v.Err
		}
		e.From = v.Rest
	}
}

// completeErasures completes erasures that nobody continues, until ctx ends: the process that had
// begun one has stopped, or its caller has gone.
func (s *Service) completeErasures(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	var before []notify.Erase
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.task(ctx, "erasure", func() (err error) {
			before, err = s.completeErasuresOf(ctx, before)
			return err
		})
		if err != nil {
			s.opts.Logger.Error("completing an interrupted erasure failed; trying again", "error", err)
		}
	}
}

// completeErasuresOf completes the erasures that have not gone on since before, and returns the others.
// If one goes on nevertheless, both do the same work, which changes nothing twice.
func (s *Service) completeErasuresOf(ctx context.Context, before []notify.Erase) ([]notify.Erase, error) {
	now, err := s.opts.Store.Erasing()
	if err != nil {
		return nil, fmt.Errorf("look for interrupted erasures: %w", err)
	}
	for _, e := range now {
		if !slices.Contains(before, e) {
			continue
		}
		if _, err := s.erase(ctx, e); err != nil {
			return now, fmt.Errorf("append an erasure: %w", err)
		}
	}
	return now, nil
}

// Export returns what is kept about a user, page by page: the first from the empty position,
// each other from the Rest of the page before. Its error is of kind ErrScope if by may not
// administer u, and ErrUnavailable if too many inboxes are being read. Everything that any node
// has acknowledged before the first page is in it.
func (s *Service) Export(ctx context.Context, by notify.Principal, u notify.UserID, from string) (store.ExportPage, error) {
	if err := by.MayAdminister(u); err != nil {
		return store.ExportPage{}, err
	}
	if from == "" {
		s.opts.Journal.CatchUp(ctx)
	}
	if s.lists.Acquire(ctx, by.Name) != nil {
		return store.ExportPage{}, errTooManyLists()
	}
	defer s.lists.Release(by.Name)
	page, err := s.opts.Store.Export(u, from)
	if err != nil {
		return store.ExportPage{}, fmt.Errorf("export what is kept about a user: %w", err)
	}
	return page, nil
}

// Intervals at which Run looks whether the files are to be purged, and repeats a purge that has
// failed, or for which the disk had too little free space. One purge is for all erasures before it.
const (
	purgeEvery      = 2 * time.Second
	purgeRetry      = time.Minute
	purgeRetrySpace = 10 * time.Minute
)

// purgeErased purges the files after each erasure, whichever node was asked for it and whenever
// this node has applied it, until ctx ends.
func (s *Service) purgeErased(ctx context.Context) {
	wait := purgeEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = purgeEvery
		seq := s.opts.Store.Unpurged()
		if seq == 0 {
			continue
		}
		err := s.task(ctx, "purge", func() error { return s.opts.Store.Purge(ctx, seq) })
		switch {
		case err == nil:
		case errors.Is(err, store.ErrSpace):
			wait = purgeRetrySpace
			s.opts.Logger.Error("files not purged after an erasure: the disk has too little free space; until there is more, they have data of the user",
				"error", err, "repeated_after", wait.String())
		default:
			wait = purgeRetry
			s.opts.Logger.Error("purging the files after an erasure failed; it is repeated, and they may have data of the user until then",
				"error", err, "repeated_after", wait.String())
		}
	}
}
