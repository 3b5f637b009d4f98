package store

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/cache"
	"github.com/bellhop/bellhop/internal/notify"
)

// Bounds of the index in memory: the sequences in one generation of its cache, at about 8
// bytes each. The cache has two generations. An empty feed counts too, since a token may
// name any number of topics that have no notifications.
const (
	maxIndexedSequences = 1 << 21
	feedOverhead        = 16
)

// sequenceIndex holds in memory the sequences of the notifications of everyone and of
// feeds that are read. Counting the notifications between two sequences takes a binary
// search in it instead of a scan on disk, which matters because every connection counts.
// Feeds are loaded on first use; a feed that is loaded is kept up to date by apply.
type sequenceIndex struct {
	// mu guards the fields below. It is held before the mu of feedSequences, and never
	// while the disk is read, since apply needs it.
	mu    sync.Mutex
	feeds cache.Map[string, *feedSequences]
	loads map[string]*indexLoad // by feed

	// broadcasts ascend. The elements that a caller of everyone may hold are not
	// changed: the slice is only appended to, or replaced.
	broadcasts []broadcast
}

// feedSequences are the sequences of one feed's notifications.
type feedSequences struct {
	mu     sync.Mutex // held after the mu of sequenceIndex
	single sequences  // published to one topic
	multi  sequences  // published to several topics
}

// indexLoad is a feed that is being read from disk. Its goroutine holds no lock
// meanwhile, so that the committer does not wait for the disk.
type indexLoad struct {
	done    chan struct{} // closed when feed or err is set
	changes []indexChange // applied meanwhile; guarded by the mu of sequenceIndex
	feed    *feedSequences
	err     error
}

// broadcast is a notification to everyone.
type broadcast struct {
	seq  notify.Sequence
	time int64 // milliseconds since 1970
}

// indexChange is an item that a transaction added to a shared history, or removed.
type indexChange struct {
	owner   owner
	seq     notify.Sequence
	time    int64 // of a broadcast that is added, in milliseconds since 1970
	multi   bool
	removed bool
}

// setBound bounds the cache. It is called before the first use.
func (x *sequenceIndex) setBound() {
	x.feeds.Max = maxIndexedSequences
	x.feeds.Weigh = func(f *feedSequences) int { return f.len() + feedOverhead }
}

// feed returns the sequences of a feed, and reads them from a snapshot if they are not in
// memory. Concurrent callers for one feed share one read.
func (x *sequenceIndex) feed(name string, from *snapshots) (*feedSequences, error) {
	x.mu.Lock()
	if f, ok := x.feeds.Get(name); ok {
		x.mu.Unlock()
		return f, nil
	}
	if l, ok := x.loads[name]; ok {
		x.mu.Unlock()
		<-l.done
		return l.feed, l.err
	}
	l := &indexLoad{done: make(chan struct{})}
	if x.loads == nil {
		x.loads = map[string]*indexLoad{}
	}
	x.loads[name] = l
	x.mu.Unlock()

	l.err = errLoadPanicked // until the read has returned
	defer x.finish(name, l)
	s := from.acquire() // after the load is announced: a change that it lacks is added to l.changes
	defer s.release()
	l.feed, l.err = readFeedSequences(s, name)
	return l.feed, l.err
}

// errLoadPanicked is the error of the callers that wait for a load that has panicked.
var errLoadPanicked = errors.New("reading a feed has panicked")

// finish ends a load: the feed gets the changes that were applied meanwhile, and those that
// wait for it go on.
func (x *sequenceIndex) finish(name string, l *indexLoad) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.loads, name)
	if l.err == nil {
		for _, c := range l.changes {
			l.feed.apply(c)
		}
		x.feeds.Put(name, l.feed)
	}
	close(l.done)
}

// apply updates the feeds that are in memory or being loaded. It must be called after the
// transaction that made the changes was committed.
func (x *sequenceIndex) apply(changes []indexChange) {
	if len(changes) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range changes {
		if c.owner.kind == kindEveryoneItem {
			x.applyBroadcastLocked(c)
			continue
		}
		if f, ok := x.feeds.Peek(c.owner.name); ok {
			f.apply(c)
			x.feeds.Grow(1) // an upper bound, which removals need not lower
		} else if l, ok := x.loads[c.owner.name]; ok {
			l.changes = append(l.changes, c)
		}
	}
}

func (x *sequenceIndex) applyBroadcastLocked(c indexChange) {
	if !c.removed {
		x.broadcasts = append(x.broadcasts, broadcast{c.seq, c.time})
		return
	}
	i, found := slices.BinarySearchFunc(x.broadcasts, c.seq, func(b broadcast, seq notify.Sequence) int {
		return cmp.Compare(b.seq, seq)
	})
	switch {
	case found && i == 0:
		x.broadcasts = x.broadcasts[1:]
	case found:
		x.broadcasts = slices.Delete(slices.Clone(x.broadcasts), i, i+1)
	}
}

// everyone returns the notifications to everyone, in ascending order.
func (x *sequenceIndex) everyone() []broadcast {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broadcasts
}

// load reads the notifications to everyone, which all readers need.
func (x *sequenceIndex) load(r pebble.Reader) error {
	o := everyone()
	return each(r, o.itemKey(0), o.itemKey(^notify.Sequence(0)), func(k, v []byte) (bool, error) {
		item, err := readSharedItem(v)
		x.broadcasts = append(x.broadcasts, broadcast{sequenceOf(k), item.time})
		return true, err
	})
}

func readFeedSequences(r pebble.Reader, feed string) (*feedSequences, error) {
	f := &feedSequences{}
	o := ofFeed(feed)
	h, err := readHistoryOf(r, o)
	if err != nil || h.kept == 0 {
		return f, err
	}
	read := func(o owner, into *sequences) error {
		return each(r, o.itemKey(0), o.itemKey(^notify.Sequence(0)), func(k, _ []byte) (bool, error) {
			into.add(sequenceOf(k))
			return true, nil
		})
	}
	if h.kept > h.multi {
		err = read(o, &f.single)
	}
	if err == nil && h.multi > 0 {
		err = read(o.multi(), &f.multi)
	}
	return f, err
}

// apply is idempotent: the snapshot from which f was read may contain c already.
func (f *feedSequences) apply(c indexChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := &f.single
	if c.multi {
		set = &f.multi
	}
	if c.removed {
		set.remove(c.seq)
	} else {
		set.add(c.seq)
	}
}

func (f *feedSequences) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.single.n + f.multi.n
}

// singleBetween counts the notifications to this topic alone between two sequences, both
// included.
func (f *feedSequences) singleBetween(from, to notify.Sequence) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.single.between(from, to)
}

// multiBetween counts the notifications to several topics between two sequences, both
// included.
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
