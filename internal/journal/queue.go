package journal

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// groupMost is how many entries, users told and notifications marked are in a
// group, after which it is full, so that it takes a fraction of a second.
const groupMost = 4 << 10

// A group waits for those who were answered just now, if they are not few, for so
// many times as long as the last commit took, and never for longer than patienceMost.
const (
	fewest       = 4
	patience     = 2
	patienceMost = 2 * time.Millisecond
)

// pending are the entries of one Append on their way through the committer.
type pending struct {
	entries  []notify.Entry
	by       string // the publisher
	weight   int    // entries, users and what is marked
	bytes    int64  // in memory
	urgent   bool
	verdicts []notify.Verdict
	done     chan struct{} // has one when verdicts are set
}

// What things take in memory, about.
const (
	overhead = 256 // of an entry or a change
	perName  = 32  // of a user or topic, or an ID
)

// markThrough is what a Mark through a place weighs. It changes a quarter of so many
// notifications, each of which takes several times as long as a publish.
const markThrough = 1_000

// newPending returns entries as they wait, in room that was used before if there
// is any.
func (j *Local) newPending(entries []notify.Entry) *pending {
	p, ok := j.spare.Get().(*pending)
	if !ok {
		p = &pending{done: make(chan struct{}, 1)}
	}
	*p = pending{entries: entries, by: publisher(entries), urgent: isUrgent(entries), done: p.done}
	for _, e := range entries {
		p.weigh(e)
	}
	return p
}

// isUrgent reports whether all entries are an operator's: they must be able to end a
// flood that fills the queue.
func isUrgent(entries []notify.Entry) bool {
	for _, e := range entries {
		switch e.(type) {
		case notify.Revocation, notify.Recall:
		default:
			return false
		}
	}
	return len(entries) > 0
}

func (p *pending) weigh(e notify.Entry) {
	p.weight++
	p.bytes += overhead
	switch e := e.(type) {
	case notify.Publish:
		p.weight += len(e.Users) + len(e.Topics)
		p.bytes += int64(len(e.Content) + perName*(len(e.Users)+len(e.Topics)))
	case notify.Mark:
		p.weight += len(e.IDs)
		p.bytes += int64(perName * len(e.IDs))
		if e.IDs == nil {
			p.weight += markThrough
		}
	case notify.Recall:
		p.weight += notify.MaxUsers // so many may have it
	}
}

// answer gives p the first of verdicts, one for each of its entries, and returns
// the rest. From then on p is another's.
func (p *pending) answer(verdicts []notify.Verdict) (rest []notify.Verdict) {
	p.verdicts, rest = verdicts[:len(p.entries)], verdicts[len(p.entries):]
	p.done <- struct{}{}
	return rest
}

// verdictsOf returns what p was answered, and lets its room be used again.
func (j *Local) verdictsOf(p *pending) []notify.Verdict {
	verdicts := p.verdicts
	*p = pending{done: p.done}
	j.spare.Put(p)
	return verdicts
}

// queue is what waits for the committer.
type queue struct {
	wake chan struct{} // has one when enough wait

	mu      sync.Mutex
	waiting []*pending
	weight  int // of waiting
	urgent  int // of waiting: the first ones
	enough  int // for the committer to be woken
	closed  bool
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put puts p behind all others, or, if it is urgent, behind all that are urgent. It
// reports false if the queue is closed.
func (q *queue) put(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.weight += p.weight
	if p.urgent {
		q.waiting = slices.Insert(q.waiting, q.urgent, p)
		q.urgent++
	} else {
		q.waiting = append(q.waiting, p)
	}
	if len(q.waiting) == q.enough {
		q.wake <- struct{}{} // has room: await has emptied it, and enough is reached once
	}
	return true
}

// close has the queue take no more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// next returns the next group, and nothing once ctx has ended and all was
// taken. Of the last group so many were answered, after it took so long.
//
// They are likely to come again in a moment, each as soon as it has had a turn on
// a processor. A commit costs the same for many as for few, so it is worth waiting
// until all are there: on a fast disk that takes longer than the commit. Beside a
// commit on a slow one, patienceMost is little.
func (q *queue) next(ctx context.Context, answered int, took time.Duration) []*pending {
	if all := answered + q.len(); all >= fewest && !q.await(all) {
		timer := time.NewTimer(min(patience*took, patienceMost))
		defer timer.Stop()
		select {
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if !q.await(1) {
		select {
		case <-q.wake:
		case <-ctx.Done():
			q.close()
		}
	}
	return q.take()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// await reports whether enough wait. If not, wake will have one when they do.
func (q *queue) await(enough int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.wake: // of an earlier call
	default:
	}
	q.enough = enough
	return len(q.waiting) >= enough
}

// take returns all that wait, or as many as a group may have. In that case publishers
// have their turns: see shareOut.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.enough = 0 // nobody is to be woken
	group := q.waiting
	if q.weight <= groupMost {
		q.waiting, q.weight, q.urgent = make([]*pending, 0, len(group)), 0, 0
		return group
	}
	group, q.waiting = shareOut(q.waiting, q.urgent)
	for _, p := range group {
		q.weight -= p.weight
		if p.urgent {
			q.urgent--
		}
	}
	return group
}
