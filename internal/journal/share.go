package journal

import (
	"context"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// The memory for entries that wait to be committed. Operators' entries have memory of their
// own, and so have small appends: it takes thousands of requests to fill that. Large
// appends share the rest among their publishers, who are served in turn.
const (
	urgentBytes = 1 << 20
	smallBytes  = 16 << 20
	largeBytes  = 48 << 20
	largeEach   = largeBytes / 4 // of one publisher: two batches of the largest size
	smallMost   = 32 << 10       // an append of more bytes is large
)

// memory is what may wait to be committed, in bytes.
type memory struct {
	urgent, small *semaphore.Weighted
	large         *limit.Slots
}

func newMemory() *memory {
	return &memory{
		urgent: semaphore.NewWeighted(urgentBytes),
		small:  semaphore.NewWeighted(smallBytes),
		large:  limit.NewSlots(largeBytes, largeEach),
	}
}

// acquire waits for the memory of p, or for the end of ctx, whose error it returns.
func (m *memory) acquire(ctx context.Context, p *pending) error {
	switch {
	case p.urgent:
		p.bytes = min(p.bytes, urgentBytes)
		return m.urgent.Acquire(ctx, p.bytes)
	case p.bytes <= smallMost:
		return m.small.Acquire(ctx, p.bytes)
	default:
		p.bytes = min(p.bytes, largeEach) // one that is larger waits for all that it may have
		return m.large.AcquireN(ctx, p.by, p.bytes)
	}
}

// release gives back what acquire has taken.
func (m *memory) release(p *pending) {
	switch {
	case p.urgent:
		m.urgent.Release(p.bytes)
	case p.bytes <= smallMost:
		m.small.Release(p.bytes)
	default:
		m.large.ReleaseN(p.by, p.bytes)
	}
}

// publisher returns who appends entries: all are of the same one.
func publisher(entries []notify.Entry) string {
	if len(entries) == 0 {
		return ""
	}
	switch e := entries[0].(type) {
	case notify.Publish:
		return e.By
	case notify.Mark:
		return string(e.Reader.User)
	case notify.Ticket:
		return e.Principal.Name
	}
	return ""
}

// turnWeight is what each publisher may have in a group before all others that wait
// have had as much.
const turnWeight = groupMost / 16

// shareOut returns what of waiting is in the next group, and the rest, both in order.
// Urgent entries come first. If there is more than a group may have, publishers take
// turns, so that one who has much waiting delays another by one group at most.
func shareOut(waiting []*pending, urgent int) (group, rest []*pending) {
	taken := make([]bool, len(waiting))
	weight, turns := 0, turns{byName: map[string]*turn{}}
	for i, p := range waiting {
		if i < urgent && weight < groupMost {
			weight, taken[i] = weight+p.weight, true
		} else {
			turns.add(i, p)
		}
	}
	for allowed := turnWeight; weight < groupMost && turns.left > 0; allowed += turnWeight {
		for _, t := range turns.all {
			for len(t.places) > 0 && t.weight < allowed && weight < groupMost {
				i := t.places[0]
				t.places = t.places[1:]
				t.weight, weight, taken[i] = t.weight+waiting[i].weight, weight+waiting[i].weight, true
				turns.left--
			}
		}
	}
	for i, p := range waiting {
		if taken[i] {
			group = append(group, p)
		} else {
			rest = append(rest, p)
		}
	}
	return slices.Clip(group), rest
}

// turns are the publishers that wait, the one that has waited longest first.
type turns struct {
	all    []*turn
	byName map[string]*turn
	left   int // places of all
}

// turn is one publisher's part of a group.
type turn struct {
	places []int // in the queue, ascending
	weight int   // of what it has in the group
}

func (t *turns) add(place int, p *pending) {
	one := t.byName[p.by]
	if one == nil {
		one = &turn{}
		t.byName[p.by] = one
		t.all = append(t.all, one)
	}
	one.places = append(one.places, place)
	t.left++
}
