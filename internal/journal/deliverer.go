package journal

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"

	"github.com/bellhop/bellhop/internal/notify"
)

// Limits on committed changes that are not delivered yet. Commits wait beyond them, so
// that memory is bounded and changes are delivered soon. 8 MiB are about 15,000
// notifications, which one processor delivers in a third of a second.
const (
	maxBacklogBytes  = 8 << 20
	maxBacklogGroups = 4 << 10
)

// deliverer delivers the changes of applied groups in order, on a goroutine of its own.
type deliverer struct {
	deliver func(notify.Change)
	backlog *semaphore.Weighted // bytes of changes that are not delivered yet
	applied chan delivery
}

// delivery is the changes of a group.
type delivery struct {
	changes []notify.Change
	bytes   int64 // estimate of their memory
}

func newDeliverer(deliver func(notify.Change)) *deliverer {
	return &deliverer{
		deliver: deliver,
		backlog: semaphore.NewWeighted(maxBacklogBytes),
		applied: make(chan delivery, maxBacklogGroups),
	}
}

// newDelivery estimates the memory of changes: a short entry may have long ones.
func newDelivery(changes []notify.Change) delivery {
	d := delivery{changes: changes}
	for _, c := range changes {
		d.bytes += overhead
		switch c := c.(type) {
		case *notify.Notification:
			d.bytes += int64(len(c.Content) + perName*(len(c.Users)+len(c.Topics)))
		case notify.InboxChange:
			d.bytes += int64(perName * (len(c.To.Users) + len(c.To.Topics) + len(c.HeldBy) + c.Size()))
		case notify.Recount:
			d.bytes += int64(perName * (len(c.To.Users) + len(c.To.Topics)))
		}
	}
	d.bytes = min(d.bytes, maxBacklogBytes)
	return d
}

// run delivers until close is called and all changes are delivered.
func (d *deliverer) run() {
	for group := range d.applied {
		for _, c := range group.changes {
			d.deliver(c)
		}
		d.backlog.Release(group.bytes)
	}
}

func (d *deliverer) close() { close(d.applied) }

// passOn passes changes on to run, and waits while that is far behind.
func (d *deliverer) passOn(changes []notify.Change) error {
	if len(changes) == 0 {
		return nil
	}
	group := newDelivery(changes)
	if err := d.backlog.Acquire(context.Background(), group.bytes); err != nil {
		return fmt.Errorf("pass on %d changes: %w", len(changes), err)
	}
	d.applied <- group
	return nil
}
