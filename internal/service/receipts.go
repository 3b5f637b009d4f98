package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// receipts are the deliveries that are not recorded yet. What is in memory is lost when the
// process ends; then a later write to another device, or seeing the notification, counts.
type receipts struct {
	mu        sync.Mutex
	pending   []notify.Delivery
	appending int                          // number of the first ones that are in the entry that is being appended
	has       map[notify.Delivery]struct{} // those in pending
	dropped   int                          // since the last log line

	wake chan struct{} // of capacity 1
}

// maxReceipts is the number of deliveries that wait to be recorded, about 100 bytes each. Further
// ones are dropped.
const maxReceipts = 1 << 16

// receiptsEvery is the shortest interval between two entries with deliveries that are not full.
const receiptsEvery = 200 * time.Millisecond

// Written notes that n, which wants a receipt, was written to a connection of u. The hub calls it,
// and it waits for nothing.
func (s *Service) Written(u notify.UserID, n *notify.Notification) {
	if n.Sequence == 0 {
		return
	}
	r := &s.receipts
	d := notify.Delivery{User: u, Sequence: n.Sequence}
	r.mu.Lock()
	_, again := r.has[d]
	switch {
	case again:
	case len(r.pending) >= maxReceipts:
		r.dropped++
	default:
		r.pending = append(r.pending, d)
		r.has[d] = struct{}{}
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// forget removes the deliveries to an erased user. Those in the entry that is being appended stay.
func (r *receipts) forget(u notify.UserID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.pending[:min(r.appending, len(r.pending))]
	for _, d := range r.pending[len(kept):] {
		if d.User == u {
			delete(r.has, d)
		} else {
			kept = append(kept, d)
		}
	}
	r.pending = kept
}

// next returns the deliveries of the next entry. They stay pending until done.
func (r *receipts) next() (next []notify.Delivery, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dropped, r.dropped = r.dropped, 0
	r.appending = min(len(r.pending), notify.MaxDeliveries)
	return append(next, r.pending[:r.appending]...), dropped
}

// done ends the entry that was being appended, and removes the first n deliveries.
func (r *receipts) done(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.appending = 0
	for _, d := range r.pending[:n] {
		delete(r.has, d)
	}
	if r.pending = r.pending[n:]; len(r.pending) == 0 {
		r.pending = nil // its memory is not kept
	}
}

// recordReceipts appends the deliveries that were noted, until ctx ends.
func (s *Service) recordReceipts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.receipts.wake:
		}
		for {
			next, dropped := s.receipts.next()
			if dropped > 0 {
				s.opts.Logger.Warn("deliveries were not recorded: too many are waiting to be recorded", "deliveries", dropped)
			}
			if len(next) == 0 {
				break
			}
			err := s.task(ctx, "receipts", func() error {
				return s.opts.Journal.Append(ctx, notify.Delivered{Deliveries: next, MaxBytes: s.opts.MaxBytes})[0].Err
			})
			if errors.Is(err, notify.ErrUnavailable) { // they stay pending
				s.receipts.done(0)
			} else {
				s.receipts.done(len(next))
			}
			if len(next) == notify.MaxDeliveries && err == nil {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(receiptsEvery):
			}
		}
	}
}
