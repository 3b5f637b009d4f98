// Package journal puts entries in one order and makes them durable. Local does
// it for a process alone: one goroutine, the committer, gathers all entries
// that wait into one group, has the machine apply it durably, and answers.
// What an entry means is for the machine; whether it is allowed, for who
// appends it.
package journal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/bellhop/bellhop/internal/notify"
)

// Machine is the state that entries add up to.
type Machine interface {
	// Apply applies entries as the sequences from first on. It returns when no power cut
	// can take them back: a verdict for each, and the changes to deliver, in order. An
	// entry that cannot be applied gets a verdict, too. After an error nothing more may
	// be applied.
	Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error)
}

// Metrics hears of what the committer does.
type Metrics interface {
	// Committed is called for each group: how many entries it had, and for how
	// many seconds it was applied and synced.
	Committed(entries int, seconds float64)
}

// Options say how to run a Local journal.
type Options struct {
	Machine Machine
	Last    notify.Sequence // of the machine: where the journal goes on

	// LastTime is the time of the entry at Last. No later entry has an earlier time.
	LastTime time.Time

	// Deliver is called with every change, in order, when it is durable; by one
	// goroutine, which may be late but never holds up a commit unless it falls
	// far behind.
	Deliver func(notify.Change)

	Metrics Metrics
}

// Bounds, so that memory is bounded however slow the disk is, and what is told
// comes soon however much there is: 8 MiB are some 15,000 notifications, a third of
// a second for one processor.
const (
	behindBytes = 8 << 20 // committed and not delivered; past that, commits wait
	behindMost  = 4 << 10 // groups of the same
)

// Local is a notify.Journal of this process alone. Entries are committed while
// Run runs.
type Local struct {
	machine Machine
	deliver func(notify.Change)
	metrics Metrics

	durable atomic.Uint64
	clock   clock // used by Run alone

	memory  *memory             // for entries that wait to be committed
	queue   *queue              // to the committer
	behind  *semaphore.Weighted // in bytes, for what is to be delivered
	applied chan delivery       // from the committer to the deliverer

	spare sync.Pool // of *pending that nobody waits for
}

// delivery is what a group has changed.
type delivery struct {
	told  []notify.Change
	bytes int64
}

// newDelivery returns told with what it takes: an entry may say little of it.
func newDelivery(told []notify.Change) delivery {
	d := delivery{told: told}
	for _, c := range told {
		d.bytes += overhead
		switch c := c.(type) {
		case *notify.Notification:
			d.bytes += int64(len(c.Content) + perName*(len(c.Users)+len(c.Topics)))
		case notify.InboxChange:
			d.bytes += int64(perName * (len(c.To.Users) + len(c.To.Topics) + len(c.HeldBy) + len(c.Read) + len(c.Unread) + len(c.Archived) + len(c.Recalled)))
		case notify.Recount:
			d.bytes += int64(perName * (len(c.To.Users) + len(c.To.Topics)))
		}
	}
	d.bytes = min(d.bytes, behindBytes)
	return d
}

// NewLocal returns a journal that goes on after o.Last.
func NewLocal(o Options) *Local {
	j := &Local{
		machine: o.Machine,
		deliver: o.Deliver,
		metrics: o.Metrics,
		memory:  newMemory(),
		queue:   newQueue(),
		clock:   newClock(o.LastTime),
		behind:  semaphore.NewWeighted(behindBytes),
		applied: make(chan delivery, behindMost),
	}
	j.durable.Store(uint64(o.Last))
	return j
}

// Durable returns the last sequence that a power cut cannot take back.
func (j *Local) Durable() notify.Sequence { return notify.Sequence(j.durable.Load()) }

// Append puts entries behind all others of their publisher and returns what applying
// each came to. If ctx ends first, the outcome is unknown. While more is waiting than
// one commit takes, publishers take turns. Revocations and recalls, which operators
// append, go before all other entries that wait, and have memory of their own.
func (j *Local) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	p := j.newPending(entries)
	if j.memory.acquire(ctx, p) != nil {
		return failed(len(entries), notify.Errorf(notify.ErrUnavailable, "too much is waiting to be stored"))
	}
	if !j.queue.put(p) {
		j.memory.release(p)
		return failed(len(entries), closed())
	}
	select {
	case <-p.done:
		return j.verdictsOf(p)
	case <-ctx.Done():
	}
	select {
	case <-p.done: // both were ready
		return j.verdictsOf(p)
	default:
		return failed(len(entries), notify.Errorf(notify.ErrOutcomeUnknown, "it did not become durable in time; retry with the same idempotency key"))
	}
}

func closed() error { return notify.Errorf(notify.ErrUnavailable, "the journal is closed") }

// failed returns the verdicts on a number of entries that all share one error.
func failed(entries int, err error) []notify.Verdict {
	verdicts := make([]notify.Verdict, entries)
	for i := range verdicts {
		verdicts[i].Err = err
	}
	return verdicts
}

// Run commits what is appended until ctx ends, then what still waits, and
// returns when all of it is delivered. An error means that the disk cannot be
// trusted and that the process should end.
func (j *Local) Run(ctx context.Context) error {
	var deliverer sync.WaitGroup
	deliverer.Go(func() {
		for d := range j.applied {
			for _, c := range d.told {
				j.deliver(c)
			}
			j.behind.Release(d.bytes)
		}
	})
	err := j.commitAll(ctx)
	close(j.applied)
	deliverer.Wait()
	return err
}

// commitAll commits group by group, and leaves nobody who waits without an
// answer.
func (j *Local) commitAll(ctx context.Context) (err error) {
	answered, took := 0, time.Duration(0)
	for err == nil {
		group := j.queue.next(ctx, answered, took)
		if len(group) == 0 {
			return nil
		}
		answered = len(group)
		took, err = j.commit(group)
	}
	j.queue.close()
	for group := j.queue.take(); len(group) > 0; group = j.queue.take() {
		for _, p := range group {
			j.memory.release(p)
			p.answer(failed(len(p.entries), closed()))
		}
	}
	return err
}

// commit gives a group its sequences and its time, applies it, answers those
// who wait and hands on what is to be delivered. Applying it took so long.
func (j *Local) commit(group []*pending) (took time.Duration, err error) {
	start := time.Now()
	entries := stamp(group, j.clock.now(start))
	verdicts, told, err := j.apply(entries)
	took = time.Since(start)
	if err == nil {
		j.metrics.Committed(len(entries), took.Seconds())
	}
	for _, p := range group {
		j.memory.release(p) // before it is answered, when it is another's
		verdicts = p.answer(verdicts)
	}
	if err != nil {
		return took, fmt.Errorf("commit %d entries: %w", len(entries), err)
	}
	return took, j.handOn(told)
}

// stamp returns the entries of a group, in order, with the time at which they are
// committed.
func stamp(group []*pending, at time.Time) []notify.Stamped {
	n := 0
	for _, p := range group {
		n += len(p.entries)
	}
	entries := make([]notify.Stamped, 0, n)
	for _, p := range group {
		for _, e := range p.entries {
			entries = append(entries, notify.Stamped{Entry: e, Time: at})
		}
	}
	return entries
}

// apply applies entries and returns a verdict on each, and what they have changed.
func (j *Local) apply(entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	last := j.durable.Load()
	verdicts, changes, err := j.machine.Apply(notify.Sequence(last+1), entries)
	if err != nil {
		return failed(len(entries), notify.Errorf(notify.ErrOutcomeUnknown, "the store failed")), nil, err
	}
	j.durable.Store(last + uint64(len(entries)))
	return verdicts, changes, nil
}

// handOn has the deliverer deliver what was told, and waits while it is far
// behind.
func (j *Local) handOn(told []notify.Change) error {
	if len(told) == 0 {
		return nil
	}
	d := newDelivery(told)
	if err := j.behind.Acquire(context.Background(), d.bytes); err != nil {
		return fmt.Errorf("hand on %d changes: %w", len(told), err)
	}
	j.applied <- d
	return nil
}
