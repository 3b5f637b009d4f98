package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// operator returns an operator's access to the servers.
func operator(t *testing.T, c *natsserver.Cluster) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn := c.Connect(t)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return conn, js
}

// stopped waits until the node has stopped following, and returns why.
func (m *member) stopped(t *testing.T) error {
	t.Helper()
	require.Eventually(t, func() bool { return m.Status().Stopped != nil && m.cutOff.Load() > 0 }, 40*time.Second, 20*time.Millisecond)
	require.ErrorIs(t, m.Ready(), notify.ErrUnavailable)
	require.ErrorIs(t, m.Append(t.Context(), publish("refused"))[0].Err, notify.ErrUnavailable)
	assert.Equal(t, int32(1), m.cutOff.Load())
	return m.Status().Stopped
}

// Many publishers share few messages, and a batch that needs several messages keeps its
// order, whatever others append in between.
func TestGroupsAndBatches(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := join(t, servers, "a")
	a.ready(t)
	var all sync.WaitGroup
	const publishers, each = 300, 10
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				assert.NoError(t, a.Append(t.Context(), publish(fmt.Sprintf("%d-%d", p, i)))[0].Err)
			}
		})
	}
	all.Wait()
	before := a.Position().Message
	assert.Less(t, before, uint64(publishers*each/4), "entries share messages")

	batch := make([]notify.Entry, 1_000)
	for i := range batch {
		one := publish(fmt.Sprintf("batch-%d", i))
		one.Content = append(make([]byte, 2_000), one.Content...)
		batch[i] = one
	}
	for i := range 20 {
		all.Go(func() { assert.NoError(t, a.Append(t.Context(), publish(fmt.Sprintf("other-%d", i)))[0].Err) })
	}
	verdicts := a.Append(t.Context(), batch...)
	all.Wait()
	require.Len(t, verdicts, len(batch))
	for i, v := range verdicts {
		require.NoError(t, v.Err)
		if i > 0 {
			assert.Greater(t, v.Sequence, verdicts[i-1].Sequence)
		}
	}
	assert.GreaterOrEqual(t, a.Position().Message, before+8, "2 MB are at least eight messages")
}

// An entry that no message can hold is refused, and others of the same size as a message are
// not.
func TestLargeEntries(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := join(t, servers, "a")
	a.ready(t)
	large := publish("large")
	large.Content = make([]byte, 600<<10)
	require.NoError(t, a.Append(t.Context(), large)[0].Err)
	large.Content = make([]byte, 2<<20)
	v := a.Append(t.Context(), publish("before"), large, publish("after"))
	require.NoError(t, v[0].Err)
	require.ErrorIs(t, v[1].Err, notify.ErrUnavailable)
	require.ErrorIs(t, v[2].Err, notify.ErrUnavailable, "nothing is stored behind an entry that is not")
}

// A message of another program takes a sequence, changes nothing, and stops no node. Each node
// logs and counts it, and so it does an entry that only a later version of bellhop can read.
func TestAForeignMessage(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := join(t, servers, "a"), join(t, servers, "b")
	a.ready(t)
	_, js := operator(t, servers)
	for _, data := range [][]byte{nil, []byte("hello"), {1}, {1, 1, 99}, {1, 3, 99, 1, 7, 3, 5, 2, 7}} {
		_, err := js.Publish(t.Context(), subject, data)
		require.NoError(t, err)
	}
	require.NoError(t, a.Append(t.Context(), publish("after"))[0].Err)
	caughtUp(t, a, b)
	assert.Equal(t, []string{"after"}, b.ids(t))
	assert.Equal(t, notify.Sequence(6), b.Durable(), "the third message has no entry")
	for _, m := range []*member{a, b} {
		assert.Equal(t, []string{
			`level=WARN stream=BELLHOP message=1 id="" sequence=1 reason="a message of version 0"`,
			`level=WARN stream=BELLHOP message=2 id="" sequence=2 reason="a message of version 104"`,
			`level=WARN stream=BELLHOP message=4 id="" sequence=3 reason="it has less than two bytes"`,
			`level=INFO stream=BELLHOP message=5 id="" sequence=4 reason="kind 99"`,
			`level=INFO stream=BELLHOP message=5 id="" sequence=5 reason="version 2 of kind 5"`,
		}, m.log.about("skipped"))
		status := m.Status()
		assert.Equal(t, []uint64{3, 2}, []uint64{status.Foreign, status.Newer})
	}
}

// A stream of that name with another configuration is not used, and the fault is named.
func TestAStreamThatIsNotOurs(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	conn, js := operator(t, servers)
	ours := func(c *jetstream.StreamConfig) {
		c.Metadata = map[string]string{"bellhop-journal": "000102030405060708090a0b0c0d0e0f"}
		c.Discard, c.Duplicates = jetstream.DiscardNew, 2*time.Minute
	}
	for name, c := range map[string]struct {
		change func(*jetstream.StreamConfig)
		fault  string
	}{
		"of another program": {func(*jetstream.StreamConfig) {}, "it was not created by bellhop"},
		"discards old":       {func(c *jetstream.StreamConfig) { ours(c); c.Discard = jetstream.DiscardOld }, "discard must be new"},
		"expires":            {func(c *jetstream.StreamConfig) { ours(c); c.MaxAge = time.Hour }, "max_age must be 0"},
		"too small":          {func(c *jetstream.StreamConfig) { ours(c); c.MaxBytes = 1 << 20 }, "its max_bytes is 1048576"},
		"in memory":          {func(c *jetstream.StreamConfig) { ours(c); c.Storage = jetstream.MemoryStorage }, "storage must be file"},
		"other subjects":     {func(c *jetstream.StreamConfig) { ours(c); c.Subjects = []string{"bellhop.>"} }, "its subjects are"},
	} {
		t.Run(name, func(t *testing.T) {
			config := jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Replicas: 1}
			c.change(&config)
			create(t, js, config)
			defer func() { require.NoError(t, js.DeleteStream(t.Context(), stream)) }()
			_, err := journal.OpenStream(t.Context(), journal.StreamOptions{Conn: conn, Name: stream, Replicas: 1})
			require.ErrorIs(t, err, journal.ErrStream)
			assert.ErrorContains(t, err, c.fault)
		})
	}
	create(t, js, jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Replicas: 1})
	a := join(t, servers, "a")
	require.Eventually(t, func() bool {
		err := a.Ready()
		return err != nil && strings.Contains(err.Error(), "it was not created by bellhop")
	}, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, js.DeleteStream(t.Context(), stream))
	a.ready(t)
}

// A node whose stream was deleted and created again does not follow the new one.
func TestAStreamThatWasCreatedAgain(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	_, js := operator(t, servers)
	a := join(t, servers, "a")
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("lost"))[0].Err)
	require.NoError(t, js.DeleteStream(t.Context(), stream))
	b := join(t, servers, "b") // creates it
	b.ready(t)
	assert.ErrorIs(t, a.stopped(t), journal.ErrJournalLost)
	assert.NoError(t, b.Append(t.Context(), publish("new"))[0].Err, "the other node is not disturbed")
}

// create creates a stream. A server may refuse it while it removes the files of another one of
// that name.
func create(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := js.CreateStream(t.Context(), config)
		assert.NoError(c, err)
	}, 10*time.Second, 20*time.Millisecond)
}

// recreate creates the stream with the identity that it had, as a restored backup has it.
func recreate(t *testing.T, js jetstream.JetStream, messages ...[]byte) {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	config := s.CachedInfo().Config
	require.NoError(t, js.DeleteStream(t.Context(), stream))
	create(t, js, config)
	for _, data := range messages {
		_, err := js.Publish(t.Context(), subject, data)
		require.NoError(t, err)
	}
}

// A node that has applied messages which the stream does not have stops following: the stream
// is shorter, or has other messages in their place.
func TestAStreamThatHasLostMessages(t *testing.T) {
	t.Parallel()
	cleanup := entry.AppendMessage(nil, []notify.Entry{notify.Cleanup{Retention: time.Hour}})
	for name, left := range map[string][][]byte{
		"shorter": {cleanup},
		"other":   {cleanup, cleanup, cleanup},
		"empty":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := natsserver.Start(t, natsserver.Options{Servers: 1})
			_, js := operator(t, servers)
			a := join(t, servers, "a")
			a.ready(t)
			for range 3 {
				require.NoError(t, a.Append(t.Context(), publish("one"))[0].Err)
			}
			a.stop(t)
			recreate(t, js, left...)
			a = rejoin(t, servers, "a", a.fs)
			assert.ErrorIs(t, a.stopped(t), journal.ErrJournalLost)
		})
	}
}

// A node that lacks messages which were purged needs a checkpoint. One that lacks none goes
// on.
func TestAStreamThatWasPurged(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	_, js := operator(t, servers)
	a := join(t, servers, "a")
	a.ready(t)
	for range 5 {
		require.NoError(t, a.Append(t.Context(), publish("one"))[0].Err)
	}
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context()))
	late := join(t, servers, "late")
	require.ErrorIs(t, late.stopped(t), journal.ErrBehind)
	a.stop(t)
	a = rejoin(t, servers, "a", a.fs)
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("two"))[0].Err)
	assert.Len(t, a.ids(t), 6)
}

// A node stops before the first message that follows rules which its program does not have.
func TestNewerRules(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	_, js := operator(t, servers)
	a := join(t, servers, "a")
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("old"))[0].Err)
	newer := entry.AppendMessage(nil, []notify.Entry{publish("new"), notify.Generation{ID: 1, Rules: notify.RulesVersion + 1}})
	_, err := js.Publish(t.Context(), subject, newer)
	require.NoError(t, err)
	require.ErrorIs(t, a.stopped(t), journal.ErrNewerRules)
	assert.Equal(t, []string{"old"}, a.ids(t))
	assert.Equal(t, notify.Sequence(1), a.Durable())
}

// A full stream refuses entries, and the node says so. It is not cut off: its connections
// stay. When there is space again, it goes on by itself.
func TestAFullStream(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := join(t, servers, "a")
	a.ready(t)
	_, js := operator(t, servers)
	limit := func(bytes int64) {
		t.Helper()
		s, err := js.Stream(t.Context(), stream)
		require.NoError(t, err)
		config := s.CachedInfo().Config
		config.MaxBytes = bytes
		_, err = js.UpdateStream(t.Context(), config)
		require.NoError(t, err)
	}
	limit(64 << 20)
	large := publish("large")
	large.Content = make([]byte, 900<<10)
	var refused error
	for i := 0; i < 100 && refused == nil; i++ {
		refused = a.Append(t.Context(), large)[0].Err
	}
	require.ErrorIs(t, refused, notify.ErrUnavailable)
	require.ErrorContains(t, refused, "full")
	require.Eventually(t, func() bool { return a.Ready() != nil }, 10*time.Second, 20*time.Millisecond)
	require.ErrorContains(t, a.Ready(), "full")
	limit(-1)
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("after"))[0].Err)
	assert.Zero(t, a.cutOff.Load())
}

// An operator changes the configuration of the stream under a running node. The node is not ready and
// names the fault, but is not cut off, until the configuration is right again.
func TestAStreamThatIsChanged(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := join(t, servers, "a")
	a.ready(t)
	_, js := operator(t, servers)
	expires := func(after time.Duration) {
		t.Helper()
		s, err := js.Stream(t.Context(), stream)
		require.NoError(t, err)
		config := s.CachedInfo().Config
		config.MaxAge = after
		_, err = js.UpdateStream(t.Context(), config)
		require.NoError(t, err)
	}
	expires(time.Hour)
	require.Eventually(t, func() bool {
		err := a.Ready()
		return err != nil && strings.Contains(err.Error(), "max_age must be 0")
	}, 20*time.Second, 20*time.Millisecond)
	expires(0)
	require.Eventually(t, func() bool { return a.Ready() == nil }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, a.Append(t.Context(), publish("after"))[0].Err)
	assert.Zero(t, a.cutOff.Load())
}

// The permissions that are recommended for a node are enough. A node without the right key is
// not ready, and says why, until the servers accept it.
func TestCredentials(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	a := join(t, servers, "a")
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("one"))[0].Err)
	a.CatchUp(t.Context())
	assert.Equal(t, []string{"one"}, a.ids(t))

	refused := *servers
	refused.NodeFile = ""
	b := join(t, &refused, "b")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.ErrorContains(c, b.Ready(), "no connection to NATS")
		assert.ErrorContains(c, b.Ready(), "uthorization")
	}, 20*time.Second, 20*time.Millisecond)
}
