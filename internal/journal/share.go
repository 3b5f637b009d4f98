package journal

import (
	"context"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// Budgets for the memory of queued entries. Entries of operators have a budget of their
// own, and so have small appends, which take thousands of requests to use it up. Large
// appends share the rest among their publishers, which are served in turn.
const (
	urgentBytes    = 1 << 20
	smallBytes     = 16 << 20
	largeBytes     = 48 << 20
	largeBytesEach = largeBytes / 4 // of one publisher: two batches of the largest size
	maxSmallAppend = 32 << 10       // an append of more bytes is large
)

// memory has the budgets, in bytes.
type memory struct {
	urgent, small *semaphore.Weighted
	large         *limit.Slots
}

func newMemory() *memory {
	return &memory{
		urgent: semaphore.NewWeighted(urgentBytes),
		small:  semaphore.NewWeighted(smallBytes),
		large:  limit.NewSlots(largeBytes, largeBytesEach),
	}
}

// acquire waits until the budget has the memory of p. If ctx ends first, it returns the
// error of ctx.
func (m *memory) acquire(ctx context.Context, p *pending) error {
	switch {
	case p.urgent:
		p.bytes = min(p.bytes, urgentBytes)
		return m.urgent.Acquire(ctx, p.bytes)
	case p.bytes <= maxSmallAppend:
		return m.small.Acquire(ctx, p.bytes)
	default:
		p.bytes = min(p.bytes, largeBytesEach) // a larger one waits for the whole budget of its publisher
		return m.large.AcquireN(ctx, p.by, p.bytes)
	}
}

// tryAcquire acquires the memory of p unless that is large or not free at the moment. It spares an
// append the context with which acquire waits.
func (m *memory) tryAcquire(p *pending) bool {
	switch {
	case p.urgent:
		p.bytes = min(p.bytes, urgentBytes)
		return m.urgent.TryAcquire(p.bytes)
	case p.bytes <= maxSmallAppend:
		return m.small.TryAcquire(p.bytes)
	default:
		return false
	}
}

// release returns the memory of p to the budget.
func (m *memory) release(p *pending) {
	switch {
	case p.urgent:
		m.urgent.Release(p.bytes)
	case p.bytes <= maxSmallAppend:
		m.small.Release(p.bytes)
	default:
		m.large.ReleaseN(p.by, p.bytes)
	}
}

// publisher returns the name of the publisher of entries, which all have the same one.
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

// turnWeight is the weight that each publisher may have in a group before all other
// publishers with queued entries have had as much.
const turnWeight = maxGroupWeight / 16

// shareOut divides queued appends into the next group and the rest, both in order. Urgent
// appends come first. If the others weigh more than a group may, publishers take turns,
// so that a publisher with many queued entries delays another by one group at most.
func shareOut(waiting []*pending, urgent int) (group, rest []*pending) {
	taken := make([]bool, len(waiting))
	weight, turns := 0, turns{byName: map[string]*turn{}}
	for i, p := range waiting {
		if i < urgent && weight < maxGroupWeight {
			weight, taken[i] = weight+p.weight, true
		} else {
			turns.add(i, p)
		}
	}
	for allowed := turnWeight; weight < maxGroupWeight && turns.left > 0; allowed += turnWeight {
		for _, t := range turns.all {
			for len(t.indexes) > 0 && t.weight < allowed && weight < maxGroupWeight {
				i := t.indexes[0]
				t.indexes = t.indexes[1:]
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

// turns are the publishers with queued appends, the one that has waited longest first.
type turns struct {
	all    []*turn
	byName map[string]*turn
	left   int // number of appends that are not in the group
}

// turn is one publisher's part of a group.
type turn struct {
	indexes []int // in the queue, ascending, of appends that are not in the group
	weight  int   // of its appends in the group
}

func (t *turns) add(index int, p *pending) {
	one := t.byName[p.by]
	if one == nil {
		one = &turn{}
		t.byName[p.by] = one
		t.all = append(t.all, one)
	}
	one.indexes = append(one.indexes, index)
	t.left++
}
