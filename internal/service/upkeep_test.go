package service_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// ledger is a journal and its store, as far as deferred notifications need them: it
// keeps what was released, and when.
type ledger struct {
	service.Store // nil: what is not here is not called

	metrics countedMetrics

	mu       sync.Mutex
	last     notify.Sequence
	waiting  []notify.Deferred // by time
	groups   [][]notify.Deferred
	at       []time.Duration // of the groups, since the beginning
	start    time.Time
	failures []error      // of the next appends of releases
	stuck    bool         // it is too early for everything
	free     uint64       // bytes on the disk, which is full without any
	logger   *slog.Logger // nil: none
	rules    []uint32     // of the generations
	newest   func() uint32
	unpurged notify.Sequence
	purges   []error         // results of the next purges
	purgedAt []time.Duration // since the beginning
	erasing  []notify.Erase  // not complete
	erased   []notify.Erase  // appended; the third one completes
}

func (l *ledger) Unpurged() notify.Sequence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unpurged
}

func (l *ledger) Purge(_ context.Context, upTo notify.Sequence) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.purgedAt = append(l.purgedAt, time.Since(l.start))
	err := l.purges[0]
	if l.purges = l.purges[1:]; err == nil && upTo == l.unpurged {
		l.unpurged = 0
	}
	return err
}

func (l *ledger) Append(_ context.Context, entries ...notify.Entry) []notify.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	verdicts := make([]notify.Verdict, len(entries))
	var group []notify.Deferred
	for i, e := range entries {
		l.last++
		verdicts[i].Sequence = l.last
		switch e := e.(type) {
		case notify.Publish:
			l.wait(e.DeliverAt)
		case notify.Release:
			group = append(group, e.Ref)
		case notify.Generation:
			l.rules = append(l.rules, e.Rules)
		case notify.Erase:
			l.erased = append(l.erased, e)
			if verdicts[i].More = len(l.erased) < 3; verdicts[i].More {
				verdicts[i].Rest = e.From + "+"
			} else {
				l.erasing = nil
			}
		}
	}
	if len(group) == 0 {
		return verdicts
	}
	l.groups, l.at = append(l.groups, group), append(l.at, time.Since(l.start))
	var failure error
	if len(l.failures) > 0 {
		failure, l.failures = l.failures[0], l.failures[1:]
	}
	for i := range verdicts {
		verdicts[i].Err = failure
	}
	if !l.stuck && (failure == nil || errors.Is(failure, notify.ErrNotFound)) {
		l.waiting = slices.DeleteFunc(l.waiting, func(d notify.Deferred) bool { return slices.Contains(group, d) })
	}
	return verdicts
}

func (l *ledger) wait(at time.Time) {
	l.waiting = append(l.waiting, notify.Deferred{At: at, Sequence: l.last})
	slices.SortStableFunc(l.waiting, func(a, b notify.Deferred) int { return a.At.Compare(b.At) })
}

func (l *ledger) DueDeferred(now time.Time, most int) (due []notify.Deferred, next time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.waiting {
		switch {
		case d.At.After(now):
			return due, d.At, nil
		case len(due) == most:
			return due, d.At, nil
		}
		due = append(due, d)
	}
	return due, time.Time{}, nil
}

func (*ledger) Ready() error { return nil }

func (l *ledger) Erasing() ([]notify.Erase, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.erasing), nil
}

func (*ledger) CatchUp(context.Context) {}

func (l *ledger) Durable() notify.Sequence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (*ledger) Due(time.Time, notify.Cleanup) (bool, error) { return false, nil }
func (*ledger) Revoked(notify.Principal) bool               { return false }
func (l *ledger) Free() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free, nil
}
func (*ledger) Err() error { return nil }

func (l *ledger) Rules() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Max(append(l.rules, 1))
}

func (*ledger) SyncWatermark() error { return nil }

// run runs a service with l in a bubble until the test ends.
func (l *ledger) run(t *testing.T) *service.Service {
	t.Helper()
	l.start = time.Now()
	h := hub.New(hub.Options{})
	logger := cmp.Or(l.logger, slog.New(slog.DiscardHandler))
	b, err := service.Open(t.Context(), service.Options{
		Journal: l, Store: l, Hub: h, Cursors: cursor.NewKeyring(), Lease: peers.NewLocal("", h, nil), Logger: logger, Metrics: &l.metrics, Retention: time.Hour, Keep: 10, Reserve: 1,
		Rules: l.newest,
	})
	require.NoError(t, err)
	ctx, stop := contextOf(t)
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return b
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// released returns the times of the releases, and how many were released together.
func (l *ledger) released() (at []time.Duration, sizes []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, group := range l.groups {
		sizes = append(sizes, len(group))
	}
	return slices.Clone(l.at), sizes
}

// pass lets time pass in the bubble, and waits for the consequences.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Accepted notifications are delivered on a full disk too.
func TestReleasesComeOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(ledger)
		for _, d := range []time.Duration{-time.Hour, 300 * time.Millisecond, 300 * time.Millisecond, 5 * time.Second} {
			l.wait(time.Now().Add(d))
		}
		b := l.run(t)
		require.ErrorIs(t, b.Ready(), notify.ErrUnavailable)
		pass(10 * time.Second)
		at, sizes := l.released()
		assert.Equal(t, []time.Duration{0, 300 * time.Millisecond, 5 * time.Second}, at)
		assert.Equal(t, []int{1, 2, 1}, sizes)
	})
}

// A notification that is deferred for less than the interval of upkeep is not late.
func TestASoonerDeferredPublishIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{free: 1}
		b := l.run(t)
		pass(10*time.Second + 500*time.Millisecond)
		for _, d := range []time.Duration{1700 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond} {
			later := draft("later", "ada")
			later.DeliverAt = time.Now().Add(d)
			_, err := b.Publish(t.Context(), backend(), service.Call{}, later)
			require.NoError(t, err)
		}
		items := make([]wire.BatchItem, 1)
		items[0].Draft = draft("in a batch", "ada")
		items[0].Draft.DeliverAt = time.Now().Add(300 * time.Millisecond)
		b.PublishBatch(t.Context(), backend(), service.Call{}, items)
		pass(10 * time.Second)
		at, _ := l.released()
		var after []time.Duration
		for _, d := range at {
			after = append(after, d-10*time.Second-500*time.Millisecond)
		}
		assert.Equal(t, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 1700 * time.Millisecond}, after)
	})
}

func TestDeferredNotificationsAreReleasedInOrderAndInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(ledger)
		for i := range 250 {
			l.wait(time.Now().Add(-time.Duration(i) * time.Second))
		}
		want := slices.Clone(l.waiting)
		l.run(t)
		synctest.Wait()
		_, sizes := l.released()
		assert.Equal(t, []int{100, 100, 50}, sizes)
		assert.Equal(t, want, slices.Concat(l.groups...))
	})
}

// While the journal fails, due notifications are tried again.
func TestReleasesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{failures: []error{notify.ErrUnavailable, notify.ErrOutcomeUnknown, notify.ErrNotFound}}
		l.wait(time.Now())
		l.run(t)
		pass(10 * time.Second)
		at, _ := l.released()
		assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, at, "what is gone is no failure")
		assert.Equal(t, 3, l.metrics.all()["release failed"])
		assert.Equal(t, 8, l.metrics.all()["release"])
		assert.Equal(t, 10, l.metrics.all()["cleanup"])
	})
}

// A clock that is set back does not fill the journal.
func TestReleasesBeforeTheTimeDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{stuck: true}
		l.wait(time.Now())
		l.run(t)
		pass(3500 * time.Millisecond)
		at, _ := l.released()
		assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, at)
	})
}

// When all nodes can apply later rules, one generation brings them into force, and no other.
func TestLaterRulesComeIntoForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var newest atomic.Uint32
		l := &ledger{newest: newest.Load}
		l.run(t)
		at := func(rules uint32) []uint32 {
			newest.Store(rules)
			time.Sleep(time.Minute)
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return slices.Clone(l.rules)
		}
		assert.Equal(t, []uint32{0}, at(0), "it is not known")
		assert.Equal(t, []uint32{0}, at(1), "they are in force")
		assert.Equal(t, []uint32{0, 3}, at(3))
		assert.Equal(t, []uint32{0, 3}, at(2), "an earlier program has joined")
	})
}
