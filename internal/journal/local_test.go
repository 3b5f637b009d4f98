package journal_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
)

// machine notes the groups that it is given, and how many entries were durable
// when each was.
type machine struct {
	mu     sync.Mutex
	groups [][]notify.Entry
	first  []notify.Sequence
	syncs  time.Duration // how long a commit takes
	tells  []byte        // what a release says
	err    error
}

func (m *machine) Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	time.Sleep(m.syncs) // in a synctest bubble: the fsync
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, nil, m.err
	}
	group := make([]notify.Entry, len(entries))
	for i, e := range entries {
		group[i] = e.Entry
	}
	m.groups = append(m.groups, group)
	m.first = append(m.first, first)
	verdicts := make([]notify.Verdict, len(entries))
	var told []notify.Change
	for i, e := range entries {
		seq := first + notify.Sequence(i)
		verdicts[i].Sequence = seq
		switch p := e.Entry.(type) {
		case notify.Publish:
			n := p.Notification(seq, e.Time)
			told = append(told, &n)
		case notify.Release:
			told = append(told, &notify.Notification{Sequence: seq, Content: m.tells})
		}
	}
	return verdicts, told, nil
}

type noMetrics struct{}

func (noMetrics) Committed(int, float64) {}

// run starts a journal in the bubble and returns what ends it.
func run(t *testing.T, m *machine, deliver func(notify.Change)) (*journal.Local, func() error) {
	t.Helper()
	if deliver == nil {
		deliver = func(notify.Change) {}
	}
	j := journal.NewLocal(journal.Options{State: m, Last: 7, Deliver: deliver, Metrics: noMetrics{}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	return j, func() error {
		cancel()
		return <-ended
	}
}

func TestQueuedEntriesShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{syncs: time.Millisecond}
		j, stop := run(t, m, nil)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				assert.NoError(t, j.Append(t.Context(), notify.Publish{})[0].Err)
			})
		}
		all.Wait()
		require.NoError(t, stop())
		assert.LessOrEqual(t, len(m.groups), 2, "one commit for the first, one for those that came meanwhile")
		assert.Equal(t, notify.Sequence(107), j.Durable())
	})
}

func TestEntriesOfOneAppendStandTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{}
		j, stop := run(t, m, nil)
		v := j.Append(t.Context(), notify.Publish{ID: "a"}, notify.Publish{ID: "b"}, notify.Cleanup{})
		require.NoError(t, stop())
		assert.Equal(t, []notify.Sequence{8, 9, 10}, []notify.Sequence{v[0].Sequence, v[1].Sequence, v[2].Sequence})
	})
}

// A delivery that takes long must not hold up commits.
func TestDeliveryFollowsCommitsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []notify.Sequence
		deliver := func(c notify.Change) {
			time.Sleep(time.Second)
			order = append(order, c.(*notify.Notification).Sequence)
		}
		j, stop := run(t, &machine{}, deliver)
		start := time.Now()
		for range 5 {
			require.NoError(t, j.Append(t.Context(), notify.Publish{})[0].Err)
		}
		assert.Zero(t, time.Since(start), "nobody waited for a delivery")
		require.NoError(t, stop(), "stopping waits for what is to be delivered")
		assert.Equal(t, []notify.Sequence{8, 9, 10, 11, 12}, order)
	})
}

func TestNothingIsDeliveredBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j *journal.Local
		deliver := func(c notify.Change) {
			assert.LessOrEqual(t, c.(*notify.Notification).Sequence, j.Durable())
		}
		var stop func() error
		j, stop = run(t, &machine{syncs: time.Millisecond}, func(c notify.Change) { deliver(c) })
		for range 3 {
			require.NoError(t, j.Append(t.Context(), notify.Publish{})[0].Err)
		}
		require.NoError(t, stop())
	})
}

// However little an entry says, what it tells others is bounded while it waits
// to be delivered.
func TestCommitsWaitWhenDeliveryIsFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := make(chan struct{})
		j, stop := run(t, &machine{tells: make([]byte, 1<<20)}, func(notify.Change) { <-stalled })
		const all = 50 // MiB
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range all {
				assert.NoError(t, j.Append(t.Context(), notify.Release{})[0].Err)
			}
		}()
		synctest.Wait()
		committed := j.Durable() - 7
		assert.Greater(t, committed, notify.Sequence(6))
		assert.Less(t, committed, notify.Sequence(10))
		close(stalled)
		<-ended
		require.NoError(t, stop())
		assert.Equal(t, notify.Sequence(7+all), j.Durable())
	})
}

// A group is small enough to be applied soon: what an entry may change counts.
func TestHeavyEntriesDoNotShareAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{syncs: time.Second}
		j, stop := run(t, m, nil)
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				var e notify.Entry = notify.Mark{IDs: []string{"x"}}
				switch {
				case i < 10:
					e = notify.Mark{Through: 7}
				case i < 20:
					e = notify.Recall{ID: "x"}
				}
				assert.NoError(t, j.Append(t.Context(), e)[0].Err)
			})
		}
		all.Wait()
		require.NoError(t, stop())
		for _, group := range m.groups {
			much := 0
			for _, e := range group {
				if m, ok := e.(notify.Mark); !ok || m.IDs == nil {
					much++
				}
			}
			assert.LessOrEqual(t, much, 5)
		}
	})
}

// However much others have waiting, and however little memory that leaves, what an
// operator appends is part of the next commit.
func TestAnOperatorWaitsForOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{syncs: time.Second}
		j, stop := run(t, m, nil)
		large := notify.Publish{Content: make([]byte, 1<<20), Users: make([]notify.UserID, 1_000)}
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 200 { // several groups, and more than may wait
			all.Go(func() { j.Append(ctx, large) })
		}
		synctest.Wait()
		start := time.Now()
		for _, e := range []notify.Entry{notify.Revocation{TokenID: "a"}, notify.Recall{ID: "b"}} {
			require.NoError(t, j.Append(t.Context(), e)[0].Err)
			assert.Less(t, time.Since(start), 3*time.Second, "the commit under way, and the next: no third one of a second")
			start = time.Now()
		}
		cancel()
		all.Wait()
		require.NoError(t, stop())
	})
}

func TestATimeoutLeavesTheOutcomeUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := run(t, &machine{syncs: time.Minute}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, j.Append(ctx, notify.Publish{})[0].Err, notify.ErrOutcomeUnknown)
		require.NoError(t, stop())
		assert.Equal(t, notify.Sequence(8), j.Durable(), "it was stored all the same")
	})
}

func TestAFailedCommitEndsTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken disk")
		j, stop := run(t, &machine{err: broken}, nil)
		assert.ErrorIs(t, j.Append(t.Context(), notify.Publish{})[0].Err, notify.ErrOutcomeUnknown)
		synctest.Wait()
		assert.ErrorIs(t, j.Append(t.Context(), notify.Publish{})[0].Err, notify.ErrUnavailable)
		assert.ErrorIs(t, stop(), broken)
		assert.Equal(t, notify.Sequence(7), j.Durable())
	})
}

// The state never returns from a commit, since the store has failed. The process can end after every
// publisher has an answer.
func TestEveryPublisherHasAnAnswerAfterTheStateHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{syncs: time.Hour}
		j, stop := run(t, m, nil)
		during, queued := make(chan error, 1), make(chan error, 1)
		go func() { during <- j.Append(t.Context(), notify.Publish{})[0].Err }()
		synctest.Wait()
		go func() { queued <- j.Append(t.Context(), notify.Publish{})[0].Err }()
		synctest.Wait()
		j.Abandon()
		synctest.Wait()
		require.Len(t, during, 1)
		assert.ErrorIs(t, <-during, notify.ErrOutcomeUnknown)
		require.Len(t, queued, 1)
		assert.ErrorIs(t, <-queued, notify.ErrUnavailable, "it was never passed to the state")
		assert.ErrorIs(t, j.Append(t.Context(), notify.Publish{})[0].Err, notify.ErrUnavailable)
		require.NoError(t, stop())
	})
}

func TestStopCommitsQueuedEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{syncs: time.Second}
		j, stop := run(t, m, nil)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				assert.NoError(t, j.Append(t.Context(), notify.Publish{})[0].Err)
			})
		}
		synctest.Wait()
		require.NoError(t, stop())
		all.Wait()
	})
}

// publishers has so many publish so often, each again as soon as it is
// answered, and returns when they have.
func publishers(t *testing.T, j *journal.Local, many, often int) {
	t.Helper()
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			for range often {
				assert.NoError(t, j.Append(t.Context(), notify.Publish{})[0].Err)
			}
		})
	}
	all.Wait()
}

// Without that, one half would wait while the other is committed, and there
// would be twice as many commits.
func TestReturningPublishersShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const often = 20
		m := &machine{syncs: time.Millisecond}
		j, stop := run(t, m, nil)
		publishers(t, j, 16, often)
		require.NoError(t, stop())
		assert.LessOrEqual(t, len(m.groups), often+2)
	})
}

func TestWaitingForPublishersIsBounded(t *testing.T) {
	for syncs, longest := range map[time.Duration]time.Duration{
		400 * time.Microsecond: 800 * time.Microsecond, // twice as long
		5 * time.Millisecond:   2 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			j, stop := run(t, &machine{syncs: syncs}, nil)
			publishers(t, j, 16, 3)
			start := time.Now()
			publishers(t, j, 1, 1)
			assert.LessOrEqual(t, time.Since(start), longest+syncs, "the longest wait, and a commit")
			start = time.Now()
			publishers(t, j, 1, 10)
			assert.Equal(t, 10*syncs, time.Since(start), "nobody was with it")
			require.NoError(t, stop())
		})
	}
}

func TestClosedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stop := run(t, &machine{}, nil)
		require.NoError(t, j.Ready())
		require.NoError(t, stop())
		require.ErrorIs(t, j.Ready(), notify.ErrUnavailable)
		assert.ErrorIs(t, j.Append(t.Context(), notify.Publish{})[0].Err, notify.ErrUnavailable)
	})
}
