package hub

import (
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// written is what is to be noted about events once every byte of them was written.
type written struct {
	receipts []*notify.Notification // for which Options.Written is called
	since    time.Time              // from which Metrics.Delayed counts; zero: the write is not measured
}

// wantingReceipts returns the notifications among events for which Written is to be called.
func (c *Conn) wantingReceipts(events []*Event) (all []*notify.Notification) {
	if c.shard.hub.opts.Written == nil {
		return nil
	}
	for _, e := range events {
		if n, ok := e.Content.(Notification); ok && n.Receipt {
			all = append(all, n.Notification)
		}
	}
	return all
}

// noteWritten notes what was written. A receipt is not noted after Disconnect: the user may have
// been erased.
func (c *Conn) noteWritten(w written) {
	opts := &c.shard.hub.opts
	if len(w.receipts) > 0 && c.isDisconnected() {
		w.receipts = nil
	}
	for _, n := range w.receipts {
		opts.Written(c.Principal().User, n)
	}
	if !w.since.IsZero() {
		opts.Metrics.Delayed(opts.WallClock().Sub(w.since))
	}
}

func (c *Conn) isDisconnected() bool {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.why != nil && *c.why == notify.CloseDisconnected
}

// sampleLocked returns the time of the first notification in a batch that was just taken, if
// its write is to be measured. A replay is not measured: its notifications are old.
func (s *shard) sampleLocked(b *batch) time.Time {
	if s.writes++; s.writes%sampleEvery != 1 {
		return time.Time{}
	}
	for _, e := range b.events {
		if n, ok := e.Content.(Notification); ok && !e.Unshared {
			return n.Time
		}
	}
	s.writes-- // the next one is measured instead
	return time.Time{}
}
