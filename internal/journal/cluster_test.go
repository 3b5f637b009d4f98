package journal_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/natsserver"
)

// stream is the name of the stream in all tests.
const stream = "BELLHOP"

// subject is that of the journal's messages.
const subject = "bellhop.BELLHOP.journal"

// member is a node of a cluster: a store and the journal that it follows.
type member struct {
	*journal.Cluster
	name       string
	fs         *vfs.MemFS
	store      *store.Store
	conn       *nats.Conn
	disconnect func() // closes conn
	log        *lines
	ended      chan error
	end        context.CancelFunc

	cutOff atomic.Int32 // number of calls

	mu        sync.Mutex
	delivered []notify.Sequence
}

// replicas is the number of replicas of the stream in a cluster of servers.
func replicas(c *natsserver.Cluster) int { return len(c.Servers) }

// join starts a node with an empty store.
func join(t testing.TB, c *natsserver.Cluster, name string) *member {
	t.Helper()
	return rejoin(t, c, name, vfs.NewCrashableMem())
}

// rejoin starts a node with the store on a disk.
func rejoin(t testing.TB, c *natsserver.Cluster, name string, disk *vfs.MemFS) *member {
	t.Helper()
	return startMember(t, c, name, disk, func(s *store.Store) journal.ReplicatedState { return s })
}

// joinAs starts a node with an empty store, of which state returns what the journal sees.
func joinAs(t testing.TB, c *natsserver.Cluster, name string, state func(*store.Store) journal.ReplicatedState) *member {
	t.Helper()
	return startMember(t, c, name, vfs.NewMem(), state)
}

func startMember(t testing.TB, c *natsserver.Cluster, name string, disk *vfs.MemFS, state func(*store.Store) journal.ReplicatedState) *member {
	t.Helper()
	m := &member{name: name, fs: disk, log: &lines{}, ended: make(chan error, 1)}
	logger := m.log.logger()
	var err error
	m.store, err = store.Open("data", store.Options{
		FS: disk, Logger: slog.New(slog.DiscardHandler), Replicated: true, Fatal: func(err error) { panic(err) },
	})
	require.NoError(t, err)
	m.conn, m.disconnect, err = journal.Connect(journal.ConnOptions{
		URLs: strings.Split(c.URL, ","), Node: name, Logger: logger, CAFile: c.CAFile, CredentialsFile: c.NodeFile,
	})
	require.NoError(t, err)
	m.Cluster, err = journal.NewCluster(journal.ClusterOptions{
		Conn: m.conn, Stream: stream, Replicas: replicas(c), Node: name,
		State: state(m.store), Position: m.store.Position(), Last: m.store.Last(),
		Deliver: m.deliver, CutOff: func(error) { m.cutOff.Add(1) }, Metrics: noMetrics{}, Logger: logger,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	m.end = cancel
	go func() { m.ended <- m.Run(ctx) }()
	t.Cleanup(func() { m.stop(t) })
	return m
}

func (m *member) deliver(c notify.Change) {
	if n, ok := c.(*notify.Notification); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.delivered = append(m.delivered, n.Sequence)
	}
}

// stop ends the node in order. It can be called again.
func (m *member) stop(t testing.TB) {
	t.Helper()
	if m.end == nil {
		return
	}
	m.end()
	m.end = nil
	require.NoError(t, <-m.ended)
	m.disconnect()
	require.NoError(t, m.store.Close())
}

// crash ends the node, and returns its disk as a power cut would leave it.
func (m *member) crash(t testing.TB) *vfs.MemFS {
	t.Helper()
	after := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	m.stop(t)
	return after
}

// publish returns an entry to ada with an ID.
func publish(id string) notify.Publish {
	return notify.Publish{
		By: "key:test", ID: id, Audience: notify.AudienceUser, Users: []notify.UserID{"ada"},
		Content: []byte(`"id":"` + id + `"`), Keep: 100_000,
	}
}

// ids returns the IDs in the history of ada, in order.
func (m *member) ids(t testing.TB) (ids []string) {
	t.Helper()
	var after notify.Sequence
	for {
		page, err := m.store.History(notify.Reader{User: "ada"}, after, m.Durable(), 1_000)
		require.NoError(t, err)
		for _, n := range page.Notifications {
			id, _, _ := strings.Cut(strings.TrimPrefix(string(n.Content), `"id":"`), `"`)
			ids, after = append(ids, id), n.Sequence
		}
		if len(page.Notifications) < 1_000 {
			return ids
		}
	}
}

// ready waits until the node is ready.
func (m *member) ready(t testing.TB) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.NoError(c, m.Ready()) }, 40*time.Second, 20*time.Millisecond)
}

// caughtUp waits until all nodes have applied the same messages.
func caughtUp(t testing.TB, all ...*member) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		last := slices.MaxFunc(all, func(a, b *member) int { return cmp.Compare(a.Durable(), b.Durable()) }).Durable()
		for _, m := range all {
			assert.NoError(c, m.Ready())
			assert.Equal(c, last, m.Durable(), m.name)
		}
	}, 40*time.Second, 20*time.Millisecond)
}

func TestNodesShareAJournal(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	a, b := join(t, servers, "a"), join(t, servers, "b")
	a.ready(t)
	b.ready(t)
	var all sync.WaitGroup
	for _, m := range []*member{a, b} {
		for i := range 50 {
			all.Go(func() {
				v := m.Append(t.Context(), publish(fmt.Sprintf("%s-%d", m.name, i)))[0]
				assert.NoError(t, v.Err)
				assert.LessOrEqual(t, v.Sequence, m.Durable(), "it is applied where it was appended")
			})
		}
	}
	all.Wait()
	caughtUp(t, a, b)
	assert.Equal(t, notify.Sequence(100), a.Durable())
	assert.Len(t, a.ids(t), 100)
	assert.Equal(t, a.ids(t), b.ids(t))
	a.stop(t)
	b.stop(t)
	assert.Equal(t, a.delivered, b.delivered)
	assert.True(t, slices.IsSorted(a.delivered))
	assert.Len(t, a.delivered, 100)
}

// A node that has stopped leaves no goroutine, also if its consumer has failed meanwhile.
func TestAStoppedNodeLeavesNoGoroutine(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	before := goleak.IgnoreCurrent()
	a := join(t, servers, "a")
	a.ready(t)
	require.NoError(t, a.Append(t.Context(), publish("one"))[0].Err)
	servers.Servers[0].Kill(t)
	require.Eventually(t, func() bool { return a.Ready() != nil }, 20*time.Second, 20*time.Millisecond)
	servers.Servers[0].Start(t)
	a.ready(t)
	a.stop(t)
	goleak.VerifyNone(t, before)
}
