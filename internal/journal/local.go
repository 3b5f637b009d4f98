package journal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// StateMachine is the state that entries add up to.
type StateMachine interface {
	// Apply applies entries as the sequences from first on. It returns when no power cut
	// can take them back: a verdict for each, and the changes to deliver, in order. An
	// entry that cannot be applied gets a verdict, too. After an error nothing more may
	// be applied.
	Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error)
}

// Metrics receives what the committer does.
type Metrics interface {
	// Committed is called for each group with its number of entries, and with the
	// seconds that applying and syncing it took.
	Committed(entries int, seconds float64)
}

// Options configure a Local journal.
type Options struct {
	State StateMachine

	// Last and LastTime are the sequence and the time of the last entry of State. The
	// journal continues after them: no later entry has an earlier time.
	Last     notify.Sequence
	LastTime time.Time

	// Deliver is called with every change, in order, once it is durable. One goroutine
	// calls it. Commits wait for it only if it falls far behind.
	Deliver func(notify.Change)

	Metrics Metrics
}

// Local is a notify.Journal of this process alone. It commits entries while Run runs.
type Local struct {
	state   StateMachine
	metrics Metrics

	durable atomic.Uint64
	stopped atomic.Bool // Run has returned or is about to
	clock   clock       // used by Run alone

	*intake              // from the publishers to the committer
	deliverer *deliverer // from the committer to the connections
}

// NewLocal returns a journal that continues after o.Last.
func NewLocal(o Options) *Local {
	j := &Local{
		state:     o.State,
		metrics:   o.Metrics,
		clock:     newClock(o.LastTime),
		intake:    newIntake(),
		deliverer: newDeliverer(o.Deliver),
	}
	j.durable.Store(uint64(o.Last))
	return j
}

// Durable implements notify.Journal.
func (j *Local) Durable() notify.Sequence { return notify.Sequence(j.durable.Load()) }

// Ready implements notify.Journal. A local journal is ready until it stops.
func (j *Local) Ready() error {
	if j.stopped.Load() {
		return errStopped()
	}
	return nil
}

// CatchUp implements notify.Journal. A local journal has no other nodes.
func (j *Local) CatchUp(context.Context) {}

// Append implements notify.Journal. If more entries are queued than one group may hold,
// publishers take turns. Revocations and recalls come from operators: they go before all
// other queued entries, and have memory of their own. If ctx ends before the verdicts are
// known, the outcome is unknown.
func (j *Local) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	p := j.newPending(entries)
	if j.memory.acquire(ctx, p) != nil {
		return failed(len(entries), notify.Unavailable(notify.CauseQueueFull, "the queue of the journal is full"))
	}
	if !j.queue.put(p) {
		j.memory.release(p)
		return failed(len(entries), errStopped())
	}
	var err error
	select {
	case <-p.done:
		return j.takeVerdicts(p)
	case <-ctx.Done():
		err = notify.Errorf(notify.ErrOutcomeUnknown, "it did not become durable in time; retry with the same idempotency key")
	case <-j.abandoned:
		err = errAbandoned()
	}
	select {
	case <-p.done: // both were ready
		return j.takeVerdicts(p)
	default:
		return failed(len(entries), err)
	}
}

// Run commits entries until ctx ends, then those that are still queued, and returns when
// all changes are delivered. An error means that the disk cannot be trusted, and that the
// process should end.
func (j *Local) Run(ctx context.Context) error {
	var delivering sync.WaitGroup
	delivering.Go(j.deliverer.run)
	err := j.commitAll(ctx)
	j.deliverer.close()
	delivering.Wait()
	return err
}

// commitAll commits group by group. When it returns, every publisher has an answer.
func (j *Local) commitAll(ctx context.Context) (err error) {
	defer j.stopped.Store(true)
	answered, took := 0, time.Duration(0)
	for err == nil {
		group := j.queue.next(ctx, answered, took)
		if len(group) == 0 {
			return nil
		}
		answered = len(group)
		took, err = j.commit(group)
	}
	j.refuse(errStopped())
	return err
}

// commit stamps the entries of a group, applies them, answers their publishers and passes
// the changes on. It returns how long applying took.
func (j *Local) commit(group []*pending) (took time.Duration, err error) {
	start := time.Now()
	entries := stamp(group, j.clock.now(start))
	verdicts, changes, err := j.apply(entries)
	took = time.Since(start)
	if err == nil {
		j.metrics.Committed(len(entries), took.Seconds())
	}
	for _, p := range group {
		j.memory.release(p) // before the answer, after which p is used again
		verdicts = p.answer(verdicts)
	}
	if err != nil {
		return took, fmt.Errorf("commit %d entries: %w", len(entries), err)
	}
	return took, j.deliverer.passOn(changes)
}

// stamp returns the entries of a group, in order, with one time.
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

// apply applies entries, and returns a verdict on each and the changes.
func (j *Local) apply(entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	last := j.durable.Load()
	verdicts, changes, err := j.state.Apply(notify.Sequence(last+1), entries)
	if err != nil {
		return failed(len(entries), notify.Errorf(notify.ErrOutcomeUnknown, "the store failed")), nil, err
	}
	j.durable.Store(last + uint64(len(entries)))
	return verdicts, changes, nil
}
