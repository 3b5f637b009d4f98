package journal

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// healthRig is the health of a node with a connection that can be cut.
type healthRig struct {
	*health
	cutOffs []error
}

func newHealthRig() *healthRig {
	r := &healthRig{}
	r.health = &health{
		cutOff: func(err error) { r.cutOffs = append(r.cutOffs, err) },
		logger: slog.New(slog.DiscardHandler),
		lost:   time.Now(),
	}
	r.connected(true)
	r.checkNow()
	return r
}

func (r *healthRig) connected(is bool) { r.conn.Store(&connState{connected: is}) }

// checkNow does what run does at each tick.
func (r *healthRig) checkNow() {
	if err := r.check(time.Now()); err != nil {
		r.cutOff(err)
	}
}

// pass lets a time pass, with checks.
func (r *healthRig) pass(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(checkEvery)
		r.checkNow()
	}
}

// arrive has a message arrive and applies it.
func (r *healthRig) arrive(behind uint64) {
	m := &received{time: time.Now(), arrived: time.Now(), behind: behind}
	r.applying(m.arrived)
	r.applied(m)
}

func TestANodeIsReadyWhileItFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHealthRig()
		require.ErrorIs(t, r.ready(), notify.ErrUnavailable, "it has not reached the stream")
		r.following()
		require.NoError(t, r.ready())
		r.notFollowing(errors.New("a fault"))
		r.pass(time.Second)
		require.NoError(t, r.ready(), "an interruption of a second")
		r.following()
		r.connected(false)
		r.pass(3 * time.Second)
		require.ErrorContains(t, r.ready(), "no connection to NATS")
		r.connected(true)
		r.following()
		require.NoError(t, r.ready())
		assert.Empty(t, r.cutOffs)
	})
}

// Without messages of any node, a node cannot know whether the servers have a majority.
func TestASilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHealthRig()
		r.following()
		r.pass(7 * time.Second)
		require.NoError(t, r.ready())
		r.arrive(0)
		r.pass(7 * time.Second)
		require.NoError(t, r.ready())
		r.pass(3 * time.Second)
		require.ErrorContains(t, r.ready(), "majority", "detected within ten seconds")
		assert.True(t, r.leaves(time.Now()), "another server may have a majority")
		assert.False(t, r.leaves(time.Now()), "once in a while")
		r.pass(11 * time.Second)
		assert.True(t, r.leaves(time.Now()))
		r.arrive(0)
		r.checkNow()
		require.NoError(t, r.ready())
		assert.False(t, r.leaves(time.Now()))
	})
}

// A server that is cut off from the others lets a node connect, but not follow.
func TestANodeLeavesAServerThroughWhichItCannotFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHealthRig()
		r.following()
		r.notFollowing(errNoMajority)
		r.pass(7 * time.Second)
		assert.False(t, r.leaves(time.Now()))
		r.pass(2 * time.Second)
		assert.True(t, r.leaves(time.Now()))
		assert.False(t, r.leaves(time.Now()), "once in a while")
		r.following()
		r.pass(time.Second)
		r.notFollowing(ErrNoStream)
		r.pass(time.Minute)
		assert.False(t, r.leaves(time.Now()), "another server would say the same")
		r.notFollowing(errNoMajority)
		r.connected(false)
		r.pass(time.Minute)
		assert.False(t, r.leaves(time.Now()), "it has none")
	})
}

// While a connection dials, it answers no questions. The node turns unready even so.
func TestAConnectionThatDialsHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHealthRig()
		ctx, cancel := context.WithCancel(t.Context())
		r.look = func() connState {
			sleep(ctx, time.Hour)
			return connState{}
		}
		var running sync.WaitGroup
		running.Go(func() { r.run(ctx) })
		r.following()
		r.notFollowing(errors.New("a fault"))
		time.Sleep(3 * time.Second)
		require.ErrorContains(t, r.ready(), "cut off")
		require.NoError(t, r.stoppedBy())
		cancel()
		running.Wait()
	})
}

// A node closes its connections once in each outage, after half a minute.
func TestANodeThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHealthRig()
		r.pass(time.Minute)
		assert.Empty(t, r.cutOffs, "it had no connections yet")
		r.following()
		for outage := 1; outage <= 2; outage++ {
			r.connected(false)
			r.pass(29 * time.Second)
			assert.Len(t, r.cutOffs, outage-1)
			r.pass(time.Minute)
			assert.Len(t, r.cutOffs, outage)
			r.connected(true)
			r.following()
			r.pass(time.Second)
		}
		r.stop(ErrDiverged)
		r.pass(time.Minute)
		require.Len(t, r.cutOffs, 3)
		assert.ErrorIs(t, r.cutOffs[2], ErrDiverged)
	})
}

func TestANodeThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHealthRig()
		r.following()
		old := &received{time: time.Now().Add(-time.Hour), arrived: time.Now(), behind: 1_000}
		r.applied(old)
		r.checkNow()
		require.ErrorContains(t, r.ready(), "behind")
		r.arrive(3)
		r.checkNow()
		require.NoError(t, r.ready(), "it is behind by messages, and not by seconds")
		r.arrive(0)
		r.applying(time.Now())
		r.pass(3 * time.Second)
		require.ErrorContains(t, r.ready(), "behind", "a message waits for the store")
		r.arrive(0)
		r.checkNow()
		require.NoError(t, r.ready())
	})
}

// The difference of the clocks is between that when a message was sent, and when it arrived.
func TestClocksApart(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC) // of the stream
	for name, c := range map[string]struct {
		sent, arrived time.Duration // by the clock of the node, after at
		ahead         time.Duration
	}{
		"the same":      {-time.Millisecond, time.Millisecond, 0},
		"a slow answer": {-5 * time.Second, 4 * time.Second, 0},
		"little ahead":  {time.Second, 1100 * time.Millisecond, time.Second},
		"ahead":         {time.Hour, time.Hour + time.Second, time.Hour},
		"behind":        {-time.Hour - time.Second, -time.Hour, -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHealthRig()
			r.following()
			r.clock(at.Add(c.sent), &received{time: at, arrived: at.Add(c.arrived)})
			r.checkNow()
			assert.Equal(t, c.ahead, r.skew)
			if c.ahead.Abs() <= maxClockSkew {
				require.NoError(t, r.ready())
				return
			}
			require.ErrorContains(t, r.ready(), "the clock of this node")
			r.clock(at, &received{time: at, arrived: at})
			r.checkNow()
			require.NoError(t, r.ready())
		})
	}
}

// Of a message of another node it is certain only that it was stored before it arrived.
func TestTheClockByMessagesOfOthers(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	r := newHealthRig()
	r.following()
	r.clock(time.Time{}, &received{time: at, arrived: at.Add(time.Hour)})
	r.checkNow()
	require.NoError(t, r.ready(), "it may be an old message")
	r.clock(time.Time{}, &received{time: at, arrived: at.Add(-time.Hour)})
	r.checkNow()
	require.Error(t, r.ready())
}
