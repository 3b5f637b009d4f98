// Package console passes what a node measures, and its audit lines, to the operators who watch its
// console. A Feed keeps the last of both, so that a page that is opened shows the last ten minutes.
//
// One sampler serves all watchers. No watcher can delay it or the log: events for a watcher are
// queued, and one whose queue is full is ended.
package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Interval is the time between two samples.
const Interval = time.Second

// Bounds of a Feed.
const (
	MaxSamples  = 600 // that are kept
	MaxLines    = 200 // that are kept, half of them about actions of operators if there are as many
	MaxWatchers = 32

	maxQueued = 256 // events for one watcher
)

// Kind is the kind of an event.
type Kind string

// The kinds.
const (
	KindSample Kind = "sample"
	KindAudit  Kind = "audit"
)

// Event is a sample or an audit line, in JSON without line breaks. Nobody changes it.
type Event struct {
	Kind Kind
	Data []byte
}

// Feed has the last samples and audit lines of a process. Its methods may be called concurrently,
// and do not block.
type Feed struct {
	mu       sync.Mutex
	open     bool // watchers are admitted
	samples  [][]byte
	lines    []line // oldest first
	watchers map[*Watcher]struct{}
}

// line is a kept audit line.
type line struct {
	data   []byte
	action bool // it is about an action of an operator
}

// NewFeed returns a Feed without samples and lines, which is not open.
func NewFeed() *Feed { return &Feed{watchers: map[*Watcher]struct{}{}} }

// Open admits watchers until End. The samples and lines of before stay.
func (f *Feed) Open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = true
}

// Run takes a sample in each Interval until ctx ends, and then ends the feed. It leaves out samples
// that are nil.
func (f *Feed) Run(ctx context.Context, sample func() []byte) {
	defer f.End()
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := sample(); s != nil {
			f.addSample(s)
		}
	}
}

func (f *Feed) addSample(s []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.samples = append(f.samples, s); len(f.samples) > MaxSamples {
		f.samples = slices.Delete(f.samples, 0, 1)
	}
	f.offerLocked(Event{KindSample, s})
}

// AddLine adds an audit line, which is JSON, and is about an action of an operator or about anything
// else. Clients without a token can cause many lines of the second kind, so each kind has half of
// the places if it has as many lines.
func (f *Feed) AddLine(data []byte, action bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, line{data, action})
	if len(f.lines) > MaxLines {
		f.dropLineLocked()
	}
	f.offerLocked(Event{KindAudit, data})
}

// dropLineLocked drops the oldest line of the kind that has more lines.
func (f *Feed) dropLineLocked() {
	actions := 0
	for _, l := range f.lines {
		if l.action {
			actions++
		}
	}
	dropped := actions > MaxLines/2 //nolint:mnd // half
	i := slices.IndexFunc(f.lines, func(l line) bool { return l.action == dropped })
	f.lines = slices.Delete(f.lines, i, i+1)
}

// offerLocked queues e for all watchers, and ends those whose queue is full.
func (f *Feed) offerLocked(e Event) {
	for w := range f.watchers {
		select {
		case w.events <- e:
		default:
			f.endLocked(w)
		}
	}
}

func (f *Feed) endLocked(w *Watcher) {
	delete(f.watchers, w)
	close(w.events)
}

// End ends all watchers. There are no new ones until Open is called again.
func (f *Feed) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = false
	for w := range f.watchers {
		f.endLocked(w)
	}
}

// Watcher receives the events of a Feed.
type Watcher struct {
	Samples [][]byte // those before the first event, oldest first
	Lines   [][]byte

	feed   *Feed
	events chan Event
}

// Watch returns a watcher, which the caller closes. Its error is of kind ErrUnavailable.
func (f *Feed) Watch() (*Watcher, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.open:
		return nil, notify.Unavailable(notify.CauseStarting, "this node is starting or stopping; retry")
	case len(f.watchers) >= MaxWatchers:
		return nil, notify.Unavailable(notify.CauseBusy, "the console is open %d times already, the most that is allowed; close one of them", MaxWatchers)
	}
	w := &Watcher{Samples: slices.Clone(f.samples), feed: f, events: make(chan Event, maxQueued)}
	for _, l := range f.lines {
		w.Lines = append(w.Lines, l.data)
	}
	f.watchers[w] = struct{}{}
	return w, nil
}

// Events returns the channel of the events. It is closed when the watcher was too slow, or the feed
// has ended.
func (w *Watcher) Events() <-chan Event { return w.events }

// Close ends the watcher.
func (w *Watcher) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	if _, open := w.feed.watchers[w]; open {
		w.feed.endLocked(w)
	}
}
