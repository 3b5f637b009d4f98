package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// Erase removes everything that is kept about a user. Each node ends the user's connections after they
// have received which notifications disappear. When Erase returns nil, the files of this node's store
// have neither text nor read state of the user; other nodes purge theirs in the background. It works on a full disk. Its errors are of the kinds ErrScope, if by may not
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
	case err != nil && ctx.Err() != nil:
		return errErasing()
	case err != nil:
		return fmt.Errorf("erase a user: %w", err)
	}
	return nil
}

func errErasing() error {
	return notify.Errorf(notify.ErrOutcomeUnknown, "the erasure has begun and did not end in time; a retry continues it")
}

// Export returns what is kept about a user, page by page: the first from the empty position, each
// other from the Rest of the page before. Its error is of kind ErrScope if by may not administer u,
// and ErrUnavailable if too many inboxes are being read.
func (s *Service) Export(ctx context.Context, by notify.Principal, u notify.UserID, from string) (store.ExportPage, error) {
	if err := by.MayAdminister(u); err != nil {
		return store.ExportPage{}, err
	}
	if s.lists.Acquire(ctx, by.Name) != nil {
		return store.ExportPage{}, notify.Errorf(notify.ErrUnavailable, "too many inboxes are being read; retry later")
	}
	defer s.lists.Release(by.Name)
	page, err := s.opts.Store.Export(u, from)
	if err != nil {
		return store.ExportPage{}, fmt.Errorf("export what is kept about a user: %w", err)
	}
	return page, nil
}

// noteErased has the files of this node purged, up to an entry that has erased a user.
func (s *Service) noteErased(seq notify.Sequence) {
	s.erasedUpTo.Store(uint64(seq))
	select {
	case s.erased <- struct{}{}:
	default: // Run purges them already, or will
	}
}

// purgeDelay is the time for which Run waits for further erasures before it purges the files.
const purgeDelay = 2 * time.Second

// purgeErased purges the files after each erasure, whichever node was asked for it, until ctx ends.
func (s *Service) purgeErased(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.erased:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(purgeDelay):
		}
		err := recovering(func() error { return s.opts.Store.Purge(ctx, notify.Sequence(s.erasedUpTo.Load())) })
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Error("purging the files after an erasure failed; they may have data of the user until the next compaction", "error", err)
		}
	}
}
