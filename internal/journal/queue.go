package journal

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// maxGroupWeight is the weight at which a group is full: its entries, the recipients of
// its publishes and the notifications that it marks. Such a group is applied within a
// fraction of a second.
const maxGroupWeight = 4 << 10

// Before a commit, the committer waits for the publishers that it has just answered to
// publish again: for up to waitFactor times the duration of the last commit, at most
// maxWait, and only if at least minWaitedFor publishers would share the commit.
const (
	minWaitedFor = 4
	waitFactor   = 2
	maxWait      = 2 * time.Millisecond
)

// pending is the entries of one Append on their way through the committer.
type pending struct {
	entries  []notify.Entry
	by       string // the publisher
	weight   int    // of the entries in a group: see maxGroupWeight
	bytes    int64  // estimate of their memory
	urgent   bool
	verdicts []notify.Verdict
	done     chan struct{} // receives a value when verdicts are set

	// Of a Cluster.
	encoded  []byte        // entries as parts of a message
	deadline time.Time     // when the publisher leaves
	state    atomic.Uint32 // partNotStored, partPerhapsStored or partLeft
	refused  error         // set with verdicts if none of the entries was applied
}

// Estimates of memory.
const (
	overhead = 256 // of an entry or a change
	perName  = 32  // of a user, a topic or an ID
)

// markUpToWeight is the weight of a Mark up to a sequence. It changes at most a quarter of
// that number of notifications, each of which takes several times as long as a publish.
const markUpToWeight = 1_000

// isUrgent reports whether all entries are of operators, who must be able to stop a flood
// that fills the queue.
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
			p.weight += markUpToWeight
		}
	case notify.Recall:
		p.weight += notify.MaxUsers // it may be in as many histories
	}
}

// answer passes the first verdicts, one for each entry of p, to the publisher, and
// returns the rest. The committer must not use p afterwards.
func (p *pending) answer(verdicts []notify.Verdict) (rest []notify.Verdict) {
	p.verdicts, rest = verdicts[:len(p.entries)], verdicts[len(p.entries):]
	p.done <- struct{}{}
	return rest
}

// queue holds the entries that wait for the committer.
type queue struct {
	wake chan struct{} // receives a value when wakeAt appends are queued

	mu     sync.Mutex
	queued []*pending // the urgent ones first
	weight int        // of all that are queued
	urgent int        // number of urgent ones
	wakeAt int        // number of queued appends that wakes the committer; 0: none does
	closed bool
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds p behind all others or, if it is urgent, behind all urgent ones. It returns
// false if the queue is closed.
func (q *queue) put(p *pending) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.weight += p.weight
	if p.urgent {
		q.queued = slices.Insert(q.queued, q.urgent, p)
		q.urgent++
	} else {
		q.queued = append(q.queued, p)
	}
	if len(q.queued) == q.wakeAt {
		q.wake <- struct{}{} // never blocks: reached has drained it, and wakeAt is reached once
	}
	return true
}

// close makes put refuse all further entries.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// next waits for entries and returns the next group. It returns none once ctx has ended
// and the queue is empty. The last group had a number of appends that were answered, and
// applying it took a time.
//
// The publishers that were answered are likely to publish again in a moment, each as soon
// as it has a processor. A commit of many entries costs as much as one of few, so waiting
// for all of them pays: on a fast disk they take longer to come than a commit does. On a
// slow disk, maxWait is short beside a commit.
func (q *queue) next(ctx context.Context, answered int, took time.Duration) []*pending {
	if all := answered + q.len(); all >= minWaitedFor && !q.reached(all) {
		timer := time.NewTimer(min(waitFactor*took, maxWait))
		defer timer.Stop()
		select {
		case <-q.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if !q.reached(1) {
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
	return len(q.queued)
}

// reached reports whether n appends are queued. If not, wake receives a value when they
// are.
func (q *queue) reached(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.wake: // of an earlier call
	default:
	}
	q.wakeAt = n
	return len(q.queued) >= n
}

// take returns all queued entries, or as many as a group may hold. In the latter case
// publishers take turns: see shareOut.
func (q *queue) take() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wakeAt = 0 // the committer is not waiting
	group := q.queued
	if q.weight <= maxGroupWeight {
		q.queued, q.weight, q.urgent = make([]*pending, 0, len(group)), 0, 0
		return group
	}
	group, q.queued = shareOut(q.queued, q.urgent)
	for _, p := range group {
		q.weight -= p.weight
		if p.urgent {
			q.urgent--
		}
	}
	return group
}
