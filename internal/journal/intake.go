package journal

import (
	"sync"

	"github.com/bellhop/bellhop/internal/notify"
)

// intake takes entries from publishers, and returns their verdicts.
type intake struct {
	memory *memory // for queued entries
	queue  *queue  // to the committer

	spare sync.Pool // of *pending without a waiting publisher

	abandon   sync.Once
	abandoned chan struct{} // closed by Abandon
}

func newIntake() *intake {
	return &intake{memory: newMemory(), queue: newQueue(), abandoned: make(chan struct{})}
}

// Abandon gives every publisher an answer although the state may never return from applying what it
// applies now: the process is about to end. Appends that wait fail, with notify.ErrOutcomeUnknown
// if their entries may become part of the state, and all further ones are refused.
func (in *intake) Abandon() {
	in.abandon.Do(func() {
		in.refuse(errStopped())
		close(in.abandoned)
	})
}

// newPending returns a pending for entries. It reuses one if it can.
func (in *intake) newPending(entries []notify.Entry) *pending {
	p, ok := in.spare.Get().(*pending)
	if !ok {
		p = &pending{done: make(chan struct{}, 1)}
	}
	*p = pending{entries: entries, by: publisher(entries), urgent: isUrgent(entries), done: p.done, encoded: p.encoded}
	for _, e := range entries {
		p.weigh(e)
	}
	return p
}

// maxKeptBytes is the largest buffer that a pending keeps between two publishers.
const maxKeptBytes = 4 << 10

// takeVerdicts returns the verdicts of p, and makes p available to other publishers.
func (in *intake) takeVerdicts(p *pending) []notify.Verdict {
	verdicts, encoded := p.verdicts, p.encoded
	*p = pending{done: p.done}
	if cap(encoded) <= maxKeptBytes {
		p.encoded = encoded[:0]
	}
	in.spare.Put(p)
	return verdicts
}

// refuse refuses the entries that are queued, and all further ones.
func (in *intake) refuse(err error) {
	in.queue.close()
	for group := in.queue.take(); len(group) > 0; group = in.queue.take() {
		for _, p := range group {
			in.memory.release(p)
			p.answer(failed(len(p.entries), err))
		}
	}
}

// errAbandoned says that the state may or may not have the entries of an append.
func errAbandoned() error {
	return notify.Errorf(notify.ErrOutcomeUnknown, "the store has failed; retry with the same idempotency key")
}

func errStopped() error { return notify.Unavailable(notify.CauseJournal, "the journal has stopped") }

// failed returns the verdicts on a number of entries that all have one error.
func failed(entries int, err error) []notify.Verdict {
	verdicts := make([]notify.Verdict, entries)
	for i := range verdicts {
		verdicts[i].Err = err
	}
	return verdicts
}
