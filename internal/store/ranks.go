package store

import (
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Of how many notifications the ranks are in memory, of some 8 bytes, twice over at
// most and give or take a node. A node counts as some more: there may be none of what
// a token names.
const (
	ranksMost    = 1 << 21
	rankOverhead = 16
)

// ranks are the sequences of what everyone and those nodes were told that are read, in
// memory: they say how many there are between two places, for each of very many
// readers, without looking at each.
type ranks struct {
	mu         sync.Mutex
	young, old map[string]*rank // by node; old is young as it was when it was full
	items      int              // in young
	loading    map[string]*loading

	broadcasts []broadcast // that everyone has; changed by replacing or appending
}

// rank is of one node.
type rank struct {
	mu      sync.Mutex
	alone   sequences // what no other topic was told
	several sequences // the rest
}

// loading is a rank that is being read. Its reader holds no lock meanwhile, so that
// what is applied does not wait for it.
type loading struct {
	done  chan struct{} // closed when rank or err is set
	steps []step        // applied meanwhile; guarded by ranks.mu
	rank  *rank
	err   error
}

// broadcast is one that everyone was told.
type broadcast struct {
	seq  notify.Sequence
	time int64 // milliseconds since 1970
}

// step is a change of a shared history that was applied.
type step struct {
	owner   owner
	seq     notify.Sequence
	time    int64 // milliseconds since 1970
	several bool
	gone    bool
}

// of returns the rank of a node, and reads it if it is not in memory. Callers that
// come meanwhile wait for the one that reads.
func (c *ranks) of(node string, views *views) (*rank, error) {
	c.mu.Lock()
	if r, ok := c.findLocked(node); ok {
		c.mu.Unlock()
		return r, nil
	}
	if l, ok := c.loading[node]; ok {
		c.mu.Unlock()
		<-l.done
		return l.rank, l.err
	}
	l := &loading{done: make(chan struct{})}
	if c.loading == nil {
		c.loading = map[string]*loading{}
	}
	c.loading[node] = l
	c.mu.Unlock()

	v := views.take() // of now: whatever it lacks comes as a step
	l.rank, l.err = readRank(v, node)
	v.leave()

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.loading, node)
	if l.err == nil {
		for _, s := range l.steps {
			l.rank.apply(s)
		}
		c.putLocked(node, l.rank)
	}
	close(l.done)
	return l.rank, l.err
}

func (c *ranks) findLocked(node string) (*rank, bool) {
	if r, ok := c.young[node]; ok {
		return r, true
	}
	r, ok := c.old[node]
	if ok {
		delete(c.old, node)
		c.putLocked(node, r)
	}
	return r, ok
}

func (c *ranks) putLocked(node string, r *rank) {
	if c.young == nil || c.items >= ranksMost {
		c.young, c.old, c.items = make(map[string]*rank), c.young, 0
	}
	c.young[node] = r
	c.items += r.len() + rankOverhead
}

// apply takes steps in, of those nodes that are in memory.
func (c *ranks) apply(steps []step) {
	if len(steps) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range steps {
		if s.owner.kind == kindToldAll {
			c.applyBroadcastLocked(s)
			continue
		}
		if r, ok := c.young[s.owner.name]; ok {
			r.apply(s)
			c.items++ // at most: what is gone may be read anew
		} else if r, ok := c.old[s.owner.name]; ok {
			r.apply(s)
		} else if l, ok := c.loading[s.owner.name]; ok {
			l.steps = append(l.steps, s)
		}
	}
}

// applyBroadcastLocked changes nothing that a caller of everyone sees.
func (c *ranks) applyBroadcastLocked(s step) {
	if !s.gone {
		c.broadcasts = append(c.broadcasts, broadcast{s.seq, s.time})
		return
	}
	i, found := slices.BinarySearchFunc(c.broadcasts, s.seq, compareBroadcasts)
	switch {
	case found && i == 0:
		c.broadcasts = c.broadcasts[1:]
	case found:
		c.broadcasts = slices.Delete(slices.Clone(c.broadcasts), i, i+1)
	}
}

func compareBroadcasts(b broadcast, seq notify.Sequence) int {
	switch {
	case b.seq < seq:
		return -1
	case b.seq > seq:
		return 1
	}
	return 0
}

// everyone returns what everyone was told, in order.
func (c *ranks) everyone() []broadcast {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broadcasts
}

// load reads what everyone was told, which is needed for each reader.
func (c *ranks) load(r pebble.Reader) error {
	o := everyone()
	return each(r, o.toldKey(0), o.toldKey(^notify.Sequence(0)), func(k, v []byte) (bool, error) {
		e, err := readEntry(v)
		c.broadcasts = append(c.broadcasts, broadcast{sequenceOf(k), e.time})
		return true, err
	})
}

func readRank(r pebble.Reader, node string) (*rank, error) {
	all := &rank{}
	o := ofNode(node)
	h, err := readHistoryOf(r, o)
	if err != nil || h.kept == 0 {
		return all, err
	}
	read := func(o owner, into *sequences) error {
		return each(r, o.toldKey(0), o.toldKey(^notify.Sequence(0)), func(k, _ []byte) (bool, error) {
			into.add(sequenceOf(k))
			return true, nil
		})
	}
	if h.kept > h.several {
		err = read(o, &all.alone)
	}
	if err == nil && h.several > 0 {
		err = read(o.several(), &all.several)
	}
	return all, err
}

// apply takes a step in. A rank that was read when the step was committed already
// may show it.
func (r *rank) apply(s step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := &r.alone
	if s.several {
		of = &r.several
	}
	if s.gone {
		of.remove(s.seq)
	} else {
		of.add(s.seq)
	}
}

func (r *rank) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alone.n + r.several.n
}

// between counts what no other topic was told from one sequence to another.
func (r *rank) between(from, to notify.Sequence) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alone.between(from, to)
}

// severalBetween counts what other topics were told, too, from one sequence to another.
func (r *rank) severalBetween(from, to notify.Sequence) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.several.between(from, to)
}

func (r *rank) hasSeveral() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.several.n > 0
}
