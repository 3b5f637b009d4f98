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

	"github.com/bellhop/bellhop/internal/notify"
)

// Machine is the state that entries add up to.
type Machine interface {
	// Apply applies entries as the sequences from first on, all at one time. It
	// returns when no power cut can take them back: a verdict for each, and what
	// is to be delivered, in order. After an error nothing more may be applied.
	Apply(first notify.Sequence, at time.Time, entries []notify.Entry) ([]notify.Verdict, []notify.Notification, error)
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

	// Deliver is called with all that was published, in order, when it is
	// durable; by one goroutine, which may be late but never holds up a commit
	// unless it falls behind by deliverMost.
	Deliver func(notify.Notification)

	Metrics Metrics
}

const (
	// groupMost is at how many entries a group is full: enough to share the cost
	// of one fsync, few enough not to keep the first one waiting.
	groupMost = 1024

	// waitMost is how many calls of Append may wait to be committed, and
	// deliverMost how many notifications to be delivered, before those who bring
	// more wait too: memory is bounded.
	waitMost    = 4 << 10
	deliverMost = 16 << 10
)

// Local is a notify.Journal of this process alone. Entries are committed while
// Run runs.
type Local struct {
	machine Machine
	deliver func(notify.Notification)
	metrics Metrics

	durable atomic.Uint64

	waiting chan *pending             // to the committer
	applied chan *notify.Notification // from the committer to the deliverer
	done    chan struct{}             // closed when the committer takes no more
}

// pending are the entries of one Append on their way through the committer.
type pending struct {
	entries  []notify.Entry
	verdicts []notify.Verdict
	done     chan struct{} // closed when verdicts are set
}

// NewLocal returns a journal that goes on after o.Last.
func NewLocal(o Options) *Local {
	j := &Local{
		machine: o.Machine,
		deliver: o.Deliver,
		metrics: o.Metrics,
		waiting: make(chan *pending, waitMost),
		applied: make(chan *notify.Notification, deliverMost),
		done:    make(chan struct{}),
	}
	j.durable.Store(uint64(o.Last))
	return j
}

// Durable returns the last sequence that a power cut cannot take back.
func (j *Local) Durable() notify.Sequence { return notify.Sequence(j.durable.Load()) }

// Append puts entries behind all others and returns what applying each came to.
// If ctx ends first, the outcome is unknown.
func (j *Local) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	p := &pending{entries: entries, done: make(chan struct{})}
	select {
	case <-j.done:
		return failed(entries, notify.Errorf(notify.ErrUnavailable, "the journal is closed"))
	default:
	}
	select {
	case j.waiting <- p:
	case <-ctx.Done():
		return failed(entries, notify.Errorf(notify.ErrUnavailable, "too much is waiting to be stored"))
	case <-j.done:
		return failed(entries, notify.Errorf(notify.ErrUnavailable, "the journal is closed"))
	}
	select {
	case <-p.done:
		return p.verdicts
	case <-ctx.Done():
	case <-j.done:
	}
	select {
	case <-p.done: // both were ready
		return p.verdicts
	default:
		return failed(entries, notify.Errorf(notify.ErrOutcomeUnknown, "no answer came in time"))
	}
}

// failed returns the verdicts on entries that all share one error.
func failed(entries []notify.Entry, err error) []notify.Verdict {
	verdicts := make([]notify.Verdict, len(entries))
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
		for n := range j.applied {
			j.deliver(*n)
		}
	})
	err := j.commitAll(ctx)
	close(j.done)
	close(j.applied)
	deliverer.Wait()
	return err
}

func (j *Local) commitAll(ctx context.Context) error {
	for {
		select {
		case p := <-j.waiting:
			if err := j.commit(j.gather(p)); err != nil {
				return err
			}
			continue
		case <-ctx.Done():
		}
		select {
		case p := <-j.waiting: // appended before the end
			if err := j.commit(j.gather(p)); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// gather returns first and what waits behind it.
func (j *Local) gather(first *pending) []*pending {
	group := []*pending{first}
	for size := len(first.entries); size < groupMost; {
		select {
		case p := <-j.waiting:
			group = append(group, p)
			size += len(p.entries)
		default:
			return group
		}
	}
	return group
}

// commit gives a group its sequences and its time, applies it, answers those
// who wait and hands on what is to be delivered.
func (j *Local) commit(group []*pending) error {
	var entries []notify.Entry
	for _, p := range group {
		entries = append(entries, p.entries...)
	}
	start := time.Now()
	last := j.durable.Load()
	verdicts, told, err := j.machine.Apply(notify.Sequence(last+1), start, entries)
	if err != nil {
		verdicts = failed(entries, notify.Errorf(notify.ErrOutcomeUnknown, "the store failed"))
	} else {
		j.durable.Store(last + uint64(len(entries)))
		j.metrics.Committed(len(entries), time.Since(start).Seconds())
	}
	for _, p := range group {
		p.verdicts, verdicts = verdicts[:len(p.entries)], verdicts[len(p.entries):]
		close(p.done)
	}
	if err != nil {
		return fmt.Errorf("commit %d entries: %w", len(entries), err)
	}
	for i := range told {
		j.applied <- &told[i]
	}
	return nil
}
