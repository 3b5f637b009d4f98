package app

import (
	"context"
	crand "crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// lease is held while its context lasts, and can be acquired once.
type lease struct{ held chan context.Context }

func (l lease) Acquire(ctx context.Context) (context.Context, func(), error) {
	select {
	case held := <-l.held:
		return held, func() {}, nil
	case <-ctx.Done():
		return nil, nil, errors.New("ended")
	}
}

func TestCheckpointsAreWrittenByTheHolderOfTheLease(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	n := run(t, servers, newReplica(t, servers, dataDir(t)))
	n.publish(t, 1, 5)
	l := lease{make(chan context.Context)}
	c := n.writer()
	c.lease, c.entries = l, 100
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.run(ctx); close(done) }()
	all, err := n.checkpoints.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, all, "without the lease")

	held, lose := context.WithCancel(t.Context())
	l.held <- held
	require.Eventually(t, func() bool {
		all, err = n.checkpoints.List(t.Context(), c.journal)
		return err == nil && len(all) == 1
	}, 20*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 5, all[0].Sequence)
	lose()
	cancel()
	<-done
}

func TestACheckpointIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		last  []journal.Checkpoint
		now   notify.Sequence
		bytes uint64 // of the stream, which may have 1000
		isDue bool
	}{
		"there is none":                 {nil, 1, 400, true},
		"nothing is new":                {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now().Add(-2 * time.Hour)}}, 9, 400, false},
		"little is new, for a minute":   {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now().Add(-time.Minute)}}, 108, 400, false},
		"little is new, for two hours":  {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now().Add(-2 * time.Hour)}}, 10, 400, true},
		"many are new":                  {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now()}}, 109, 400, true},
		"the stream is half full":       {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now()}}, 10, 501, true},
		"nothing is new, half full":     {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now()}}, 9, 501, false},
		"messages without entries":      {[]journal.Checkpoint{{Sequence: 9, Position: 900, Written: time.Now()}}, 9, 400, true},
		"this node is behind the other": {[]journal.Checkpoint{{Sequence: 9, Position: 990, Written: time.Now().Add(-2 * time.Hour)}}, 5, 400, false},
	} {
		check := &checkpointer{every: time.Hour, entries: 100, durable: func() notify.Sequence { return c.now }}
		assert.Equal(t, c.isDue, check.isDue(c.last, &journal.StreamInfo{Last: 1000, Bytes: c.bytes, MaxBytes: 1000}), name)
	}
}

// A node that has lost the lease, or never had it, reports the size that the stream has now: the alert
// about a stream that is nearly full is of the maximum of all nodes.
func TestEachNodeReportsTheSizeOfTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var now atomic.Pointer[journal.StreamInfo] // nil: it cannot be reached
		c := &checkpointer{
			full: func() bool { return false }, lease: lease{}, ctx: ctx,
			stream: func(context.Context) (journal.StreamInfo, error) {
				if found := now.Load(); found != nil {
					return *found, nil
				}
				return journal.StreamInfo{}, errors.New("not connected")
			},
		}
		var running sync.WaitGroup
		running.Go(func() { c.run(ctx) })
		reports := func(bytes, limit float64) {
			t.Helper()
			time.Sleep(2 * checkpointCheck)
			synctest.Wait()
			assert.InDelta(t, bytes, valueOf(t, c.samples(), "bellhop_journal_stream_bytes"), 0)
			assert.InDelta(t, limit, valueOf(t, c.samples(), "bellhop_journal_stream_limit_bytes"), 0)
		}
		now.Store(&journal.StreamInfo{Bytes: 900, MaxBytes: 1000})
		reports(900, 1000)
		now.Store(&journal.StreamInfo{Bytes: 100, MaxBytes: -1})
		reports(100, 0)
		now.Store(nil)
		reports(100, 0)
		cancel()
		running.Wait()
	})
}

// A full stream is relieved: first by the messages that a checkpoint has, then by writing
// another one. Nothing is lost.
func TestSpaceIsMadeInAFullStream(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	n := run(t, servers, newReplica(t, servers, dataDir(t)))
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	config := s.CachedInfo().Config
	config.MaxBytes = 64 << 20
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)

	n.publish(t, 1, 5)
	n.checkpoint(t)
	c := n.writer()
	for range 2 {
		fill(t, n)
		require.True(t, n.journal.Full())
		require.NoError(t, c.relieve(t.Context()))
		require.Eventually(t, func() bool { return !n.journal.Full() && n.journal.Ready() == nil }, 30*time.Second, 20*time.Millisecond)
	}
	requireSame(t, n, run(t, servers, newReplica(t, servers, dataDir(t))))
}

// fill appends large entries until the stream is full.
func fill(t *testing.T, n *runningNode) {
	t.Helper()
	content := make([]byte, 900<<10) // which does not compress
	crand.Read(content)
	for range 200 {
		large := notify.Publish{
			By: "key:test", ID: crand.Text(), Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}, Content: content, Keep: 10,
		}
		if err := n.journal.Append(t.Context(), large)[0].Err; err != nil {
			require.ErrorContains(t, err, "full")
			return
		}
	}
	t.Fatal("the stream is never full")
}
