package journal

import (
	"context"
	"sync"
	"time"
)

// Times of CatchUp. Callers may be clients without a token, so rounds are rare, and all that
// wait share one.
const (
	maxCatchUp    = 10 * time.Second
	roundInterval = 100 * time.Millisecond
)

// rounds are messages without entries that are sent one after another. When one comes back,
// this node has applied every message that was stored before it was sent.
type rounds struct {
	wake chan struct{} // of capacity 1: a round is wanted

	mu   sync.Mutex
	next *round // not sent yet; nil: none is wanted; guarded by mu
}

// round is one of these messages.
type round struct {
	ended chan struct{}
	back  bool // the message came back; set before ended is closed
}

func newRounds() *rounds { return &rounds{wake: make(chan struct{}, 1)} }

// join returns a round that has not been sent yet.
func (r *rounds) join() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &round{ended: make(chan struct{})}
		r.wake <- struct{}{} // never blocks: take has received the last one
	}
	return r.next
}

// take returns the next round, which is about to be sent.
func (r *rounds) take() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.next
	r.next = nil
	return one
}

// CatchUp implements notify.Journal.
func (j *Cluster) CatchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, maxCatchUp)
	defer cancel()
	for {
		one := j.rounds.join()
		select {
		case <-one.ended:
			if one.back || ctx.Err() != nil || j.stopped.Load() || j.health.stoppedBy() != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// sendRounds sends the wanted rounds until ctx ends.
func (j *Cluster) sendRounds(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
		case <-j.rounds.wake:
		}
		if one := j.rounds.take(); one != nil {
			one.back = j.sendEmpty(ctx)
			close(one.ended)
		}
		if ctx.Err() != nil {
			return
		}
		sleep(ctx, roundInterval)
	}
}

// sendEmpty sends a message without entries, and reports whether it came back.
func (j *Cluster) sendEmpty(ctx context.Context) bool {
	p := j.encode(nil)
	p.deadline = deadlineOf(ctx)
	_, err := j.appendPart(ctx, p)
	return err == nil
}
