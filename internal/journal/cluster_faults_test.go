package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// outcomes are the IDs that a load has published, by what the journal answered.
type outcomes struct {
	mu                           sync.Mutex
	stored, unavailable, unknown []string
}

func (o *outcomes) note(t testing.TB, id string, v notify.Verdict) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case v.Err == nil:
		o.stored = append(o.stored, id)
	case errors.Is(v.Err, notify.ErrUnavailable):
		o.unavailable = append(o.unavailable, id)
	case errors.Is(v.Err, notify.ErrOutcomeUnknown):
		o.unknown = append(o.unknown, id)
	default:
		t.Errorf("%s: %v", id, v.Err)
	}
}

// number returns how many have an outcome.
func (o *outcomes) number() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.stored) + len(o.unavailable) + len(o.unknown)
}

// load has publishers on each node append one entry after another, until stop is called.
func (o *outcomes) load(t testing.TB, publishers int, nodes ...*member) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, m := range nodes {
		for p := range publishers {
			all.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					id := fmt.Sprintf("%s-%d-%d", m.name, p, i)
					o.note(t, id, m.Append(context.Background(), publish(id))[0])
				}
			})
		}
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// check compares the outcomes with the history of a node.
func (o *outcomes) check(t testing.TB, m *member) {
	t.Helper()
	ids := m.ids(t)
	times := map[string]int{}
	for _, id := range ids {
		times[id]++
	}
	assert.Len(t, times, len(ids), "nothing is repeated")
	missing := slices.DeleteFunc(slices.Clone(o.stored), func(id string) bool { return times[id] == 1 })
	assert.Empty(t, missing, "lost, of %d that were acknowledged", len(o.stored))
	wrong := slices.DeleteFunc(slices.Clone(o.unavailable), func(id string) bool { return times[id] == 0 })
	assert.Empty(t, wrong, "stored, of %d that were said not to be", len(o.unavailable))
	t.Logf("%s: %d acknowledged, %d not stored, %d unknown, %d in the history", m.name, len(o.stored), len(o.unavailable), len(o.unknown), len(ids))
}

// leader returns the server that leads the stream.
func leader(t testing.TB, c *natsserver.Cluster) *natsserver.Server {
	t.Helper()
	js, err := jetstream.New(c.Connect(t))
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	return c.Named(t, s.CachedInfo().Cluster.Leader)
}

// after waits until a load has had a number of outcomes more.
func (o *outcomes) after(t testing.TB, more int) {
	t.Helper()
	want := o.number() + more
	require.Eventually(t, func() bool { return o.number() >= want }, time.Minute, 5*time.Millisecond)
}

// acknowledges waits until a number of entries more are acknowledged.
func (o *outcomes) acknowledges(t testing.TB, more int) {
	t.Helper()
	acknowledged := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.stored)
	}
	want := acknowledged() + more
	require.Eventually(t, func() bool { return acknowledged() >= want }, time.Minute, 5*time.Millisecond)
}

// The leader of the stream is killed under load, and paused so that its connections stay
// open. Nothing that was acknowledged is lost, nothing is repeated, and nothing is stored
// that was said not to be.
func TestTheLeaderFailsUnderLoad(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	a, b := join(t, servers, "a"), join(t, servers, "b")
	a.ready(t)
	b.ready(t)
	o := &outcomes{}
	stop := o.load(t, 8, a, b)
	o.after(t, 500)
	killed := leader(t, servers)
	killed.Kill(t)
	o.after(t, 500)
	caughtUpUnderLoad(t, a, b)
	killed.Start(t)
	o.after(t, 500)
	servers.WaitForLeader(t)
	paused := leader(t, servers)
	paused.Pause(t)
	o.after(t, 500)
	caughtUpUnderLoad(t, a, b)
	paused.Resume(t)
	o.after(t, 500)
	stop()
	caughtUp(t, a, b)
	o.check(t, a)
	o.check(t, b)
	assert.Equal(t, a.ids(t), b.ids(t), "one order on both nodes")
}

// caughtUpUnderLoad waits until all nodes are ready.
func caughtUpUnderLoad(t testing.TB, all ...*member) {
	t.Helper()
	for _, m := range all {
		m.ready(t)
	}
}

// Without a majority of the servers nothing is acknowledged, and each publisher has an answer
// within the deadline. When the servers are back, the nodes go on by themselves.
func TestWithoutAQuorumNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	a := join(t, servers, "a")
	a.ready(t)
	o := &outcomes{}
	o.note(t, "before", a.Append(t.Context(), publish("before"))[0])
	for _, s := range servers.Servers[:2] {
		s.Kill(t)
	}
	start := time.Now()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			id := fmt.Sprintf("without-%d", i)
			o.note(t, id, a.Append(t.Context(), publish(id))[0])
		})
	}
	all.Wait()
	assert.Less(t, time.Since(start), 10*time.Second, "the deadline is 5 s")
	assert.Equal(t, []string{"before"}, o.stored)
	require.Eventually(t, func() bool { return a.Ready() != nil }, 10*time.Second, 20*time.Millisecond, "it is cut off")
	require.ErrorIs(t, a.Ready(), notify.ErrUnavailable)
	for _, s := range servers.Servers {
		if s.Running() {
			s.Kill(t)
		}
	}
	require.Eventually(t, func() bool { return a.Status().Server == "" }, 10*time.Second, 5*time.Millisecond)
	v := a.Append(t.Context(), publish("without-any"))[0]
	require.ErrorIs(t, v.Err, notify.ErrUnavailable, "no server was there that could have stored it")
	o.note(t, "without-any", v)
	for _, s := range servers.Servers {
		s.Start(t)
	}
	a.ready(t)
	o.note(t, "after", a.Append(t.Context(), publish("after"))[0])
	assert.Len(t, o.stored, 2)
	o.check(t, a)
}

// A server that is alone answers questions about the stream, with what it has. A node that
// relied on that could take an old state for a lost journal, and stop.
func TestAServerThatIsAloneDoesNotDescribeTheStream(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	conn := servers.Connect(t)
	open := func() error {
		_, err := journal.OpenStream(t.Context(), journal.StreamOptions{Conn: conn, Name: "BELLHOP", Replicas: 3})
		return err
	}
	require.Eventually(t, func() bool { return open() == nil }, time.Minute, 20*time.Millisecond)
	for _, s := range servers.Servers[:2] {
		s.Kill(t)
	}
	require.Eventually(t, func() bool {
		err := open()
		return err != nil && strings.Contains(err.Error(), "majority")
	}, time.Minute, 20*time.Millisecond)
	for _, s := range servers.Servers[:2] {
		s.Start(t)
	}
	require.Eventually(t, func() bool { return open() == nil }, time.Minute, 20*time.Millisecond)
}

// A node whose machine loses power goes on from the position that its store has, with the
// messages that the servers have kept. All nodes have the same state then.
func TestANodeReplaysWhatItHasLost(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := join(t, servers, "a"), join(t, servers, "b")
	a.ready(t)
	for i := range 300 {
		require.NoError(t, a.Append(t.Context(), publish(fmt.Sprintf("first-%d", i)))[0].Err)
	}
	caughtUp(t, a, b)
	disk := b.crash(t)
	require.NoError(t, a.Append(t.Context(), publish("while b is away"))[0].Err)
	again := rejoin(t, servers, "b", disk)
	caughtUp(t, a, again)
	assert.Equal(t, a.ids(t), again.ids(t))
	v := again.Append(t.Context(), publish("of b"))[0]
	require.NoError(t, v.Err)
	assert.Equal(t, notify.Sequence(302), v.Sequence)
	caughtUp(t, a, again)
	hash := func(m *member) notify.RunningHash {
		last := m.store.LastHash()
		require.Equal(t, notify.Sequence(256), last)
		h, ok, err := m.store.HashAt(last)
		require.NoError(t, err)
		require.True(t, ok)
		return h
	}
	assert.Equal(t, hash(a), hash(again))
}

// A node that starts before any server waits for them.
func TestServersThatComeLater(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	servers.Servers[0].Kill(t)
	a := join(t, servers, "a")
	require.ErrorIs(t, a.Ready(), notify.ErrUnavailable)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorIs(t, a.Append(ctx, publish("early"))[0].Err, notify.ErrUnavailable)
	servers.Servers[0].Start(t)
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("late"))[0].Err)
	assert.Equal(t, []string{"late"}, a.ids(t))
}

// CatchUp returns when a node has applied what another one had acknowledged before.
func TestANodeCatchesUpWithOthers(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := join(t, servers, "a"), join(t, servers, "b")
	caughtUp(t, a, b)
	for i := range 50 {
		v := a.Append(t.Context(), publish(fmt.Sprint(i)))[0]
		require.NoError(t, v.Err)
		b.CatchUp(t.Context())
		require.GreaterOrEqual(t, b.Durable(), v.Sequence)
	}
	servers.Servers[0].Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	b.CatchUp(ctx)
	require.Error(t, ctx.Err(), "it cannot know what others have applied")
}

// A message that is not acknowledged is sent again with the same ID: a server that receives
// both stores one.
func TestAMessageThatIsSentTwice(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := join(t, servers, "a")
	a.ready(t)
	servers.Servers[0].Pause(t)
	before := a.conn.Stats().OutMsgs
	var v notify.Verdict
	done := make(chan struct{})
	go func() {
		defer close(done)
		v = a.Append(t.Context(), publish("one"))[0]
	}()
	require.Eventually(t, func() bool { return a.conn.Stats().OutMsgs >= before+2 }, 4*time.Second, time.Millisecond, "sent twice")
	servers.Servers[0].Resume(t)
	<-done
	o := &outcomes{}
	o.note(t, "one", v)
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("two"))[0].Err)
	o.check(t, a)
	assert.Equal(t, []string{"one", "two"}, a.ids(t))
}
