package store

import (
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Of how many notifications the ranks are in memory, of some 8 bytes, twice over at
// most and give or take a feed. A feed counts as some more: there may be none of what
// a token names.
const (
	maxIndexedSequences = 1 << 21
	feedOverhead        = 16
)

// sequenceIndex are the sequences of what everyone and those feeds were told that are read, in
// memory: they say how many there are between two places, for each of very many
// readers, without looking at each.
type sequenceIndex struct {
	mu                sync.Mutex
	current, previous map[string]*feedSequences // by node; old is young as it was when it was full
	items             int                       // in young
	loading           map[string]*indexLoad

	broadcasts []broadcast // that everyone has; changed by replacing or appending
}

// feedSequences is of one feed.
type feedSequences struct {
	mu     sync.Mutex
	single sequences // what no other topic was told
	multi  sequences // the rest
}

// indexLoad is a rank that is being read. Its reader holds no lock meanwhile, so that
// what is applied does not wait for it.
type indexLoad struct {
	done    chan struct{} // closed when rank or err is set
	changes []indexChange // applied meanwhile; guarded by ranks.mu
	rank    *feedSequences
	err     error
}

// broadcast is one that everyone was told.
type broadcast struct {
	seq  notify.Sequence
	time int64 // milliseconds since 1970
}

// indexChange is a change of a shared history that was applied.
type indexChange struct {
	owner owner
	seq   notify.Sequence
	time  int64 // milliseconds since 1970
	multi bool
	gone  bool
}

// owner returns the rank of a feed, and reads it if it is not in memory. Callers that
// come meanwhile wait for the one that reads.
func (x *sequenceIndex) feed(feed string, views *snapshots) (*feedSequences, error) {
	x.mu.Lock()
	if r, ok := x.findLocked(feed); ok {
		x.mu.Unlock()
		return r, nil
	}
	if l, ok := x.loading[feed]; ok {
		x.mu.Unlock()
		<-l.done
		return l.rank, l.err
	}
	l := &indexLoad{done: make(chan struct{})}
	if x.loading == nil {
		x.loading = map[string]*indexLoad{}
	}
	x.loading[feed] = l
	x.mu.Unlock()

	v := views.acquire() // of now: whatever it lacks comes as a step
	l.rank, l.err = readFeedSequences(v, feed)
	v.release()

	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.loading, feed)
	if l.err == nil {
		for _, s := range l.changes {
			l.rank.apply(s)
		}
		x.putLocked(feed, l.rank)
	}
	close(l.done)
	return l.rank, l.err
}

func (x *sequenceIndex) findLocked(feed string) (*feedSequences, bool) {
	if r, ok := x.current[feed]; ok {
		return r, true
	}
	r, ok := x.previous[feed]
	if ok {
		delete(x.previous, feed)
		x.putLocked(feed, r)
	}
	return r, ok
}

func (x *sequenceIndex) putLocked(feed string, r *feedSequences) {
	if x.current == nil || x.items >= maxIndexedSequences {
		x.current, x.previous, x.items = make(map[string]*feedSequences), x.current, 0
	}
	x.current[feed] = r
	x.items += r.len() + feedOverhead
}

// apply takes steps in, of those feeds that are in memory.
func (x *sequenceIndex) apply(steps []indexChange) {
	if len(steps) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range steps {
		if s.owner.kind == kindEveryoneItem {
			x.applyBroadcastLocked(s)
			continue
		}
		if r, ok := x.current[s.owner.name]; ok {
			r.apply(s)
			x.items++ // at most: what is gone may be read anew
		} else if r, ok := x.previous[s.owner.name]; ok {
			r.apply(s)
		} else if l, ok := x.loading[s.owner.name]; ok {
			l.changes = append(l.changes, s)
		}
	}
}

// applyBroadcastLocked changes nothing that a caller of everyone sees.
func (x *sequenceIndex) applyBroadcastLocked(s indexChange) {
	if !s.gone {
		x.broadcasts = append(x.broadcasts, broadcast{s.seq, s.time})
		return
	}
	i, found := slices.BinarySearchFunc(x.broadcasts, s.seq, compareBroadcasts)
	switch {
	case found && i == 0:
		x.broadcasts = x.broadcasts[1:]
	case found:
		x.broadcasts = slices.Delete(slices.Clone(x.broadcasts), i, i+1)
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
func (x *sequenceIndex) everyone() []broadcast {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broadcasts
}

// load reads what everyone was told, which is needed for each reader.
func (x *sequenceIndex) load(r pebble.Reader) error {
	o := everyone()
	return each(r, o.itemKey(0), o.itemKey(^notify.Sequence(0)), func(k, v []byte) (bool, error) {
		e, err := readSharedItem(v)
		x.broadcasts = append(x.broadcasts, broadcast{sequenceOf(k), e.time})
		return true, err
	})
}

func readFeedSequences(r pebble.Reader, feed string) (*feedSequences, error) {
	all := &feedSequences{}
	o := ofFeed(feed)
	h, err := readHistoryOf(r, o)
	if err != nil || h.kept == 0 {
		return all, err
	}
	read := func(o owner, into *sequences) error {
		return each(r, o.itemKey(0), o.itemKey(^notify.Sequence(0)), func(k, _ []byte) (bool, error) {
			into.add(sequenceOf(k))
			return true, nil
		})
	}
	if h.kept > h.multi {
		err = read(o, &all.single)
	}
	if err == nil && h.multi > 0 {
		err = read(o.multi(), &all.multi)
	}
	return all, err
}

// apply takes a step in. A rank that was read when the step was committed already
// may show it.
func (f *feedSequences) apply(s indexChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	of := &f.single
	if s.multi {
		of = &f.multi
	}
	if s.gone {
		of.remove(s.seq)
	} else {
		of.add(s.seq)
	}
}

func (f *feedSequences) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.single.n + f.multi.n
}

// singleBetween counts what no other topic was told from one sequence to another.
func (f *feedSequences) singleBetween(from, to notify.Sequence) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.single.between(from, to)
}

// multiBetween counts what other topics were told, too, from one sequence to another.
func (f *feedSequences) multiBetween(from, to notify.Sequence) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.multi.between(from, to)
}

func (f *feedSequences) hasMulti() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.multi.n > 0
}
