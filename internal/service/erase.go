package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// Erase removes everything that is kept about a user. Each node ends the user's connections
// after they have received which notifications disappear. When Erase returns nil, the files of
// this node's store have neither text nor read state of the user; other nodes purge theirs in
// the background. On a full disk it fails with ErrOutcomeUnknown after it has erased all but the files. Its errors are of the kinds ErrScope, if by may not
// administer u, ErrUnavailable and ErrOutcomeUnknown, after which a retry continues.
func (s *Service) Erase(ctx context.Context, by notify.Principal, u notify.UserID) error {
	if err := by.MayAdminister(u); err != nil {
		return err
	}
	e := notify.Erase{User: u}
	var last notify.Sequence
	for more := true; more; {
		v := s.opts.Journal.Append(ctx, e)[0]
		if errors.Is(v.Err, notify.ErrOutcomeUnknown) {
			return errErasing()
		}
		if v.Err != nil {
			return v.Err
		}
		e.From, more, last = v.Rest, v.More, v.Sequence
	}
	err := s.opts.Store.Purge(ctx, last)
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
	return notify.Errorf(notify.ErrOutcomeUnknown, "the erasure has begun and did not end in time; a retry continues it")
}

// Export returns what is kept about a user, page by page: the first from the empty position,
// each other from the Rest of the page before. Its error is of kind ErrScope if by may not
// administer u, and ErrUnavailable if too many inboxes are being read.
func (s *Service) Export(ctx context.Context, by notify.Principal, u notify.UserID, from string) (store.ExportPage, error) {
	if err := by.MayAdminister(u); err != nil {
		return store.ExportPage{}, err
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
		err := recovering(func() error { return s.opts.Store.Purge(ctx, seq) })
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, store.ErrSpace):
			wait = purgeRetrySpace
			s.opts.Logger.Error("files not purged after an erasure: the disk has too little free space, and they have data of the user until there is more",
				"error", err, "repeated_after", wait.String())
		default:
			wait = purgeRetry
			s.opts.Logger.Error("purging the files after an erasure failed; it is repeated, and they may have data of the user until then",
				"error", err, "repeated_after", wait.String())
		}
	}
}
