package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

// sharedJournal is one order of entries, which several nodes apply.
type sharedJournal struct {
	t *testing.T

	// Every node applies every entry at once. Otherwise a node applies what others
	// have appended when it appends, or when it catches up.
	eager bool

	twice bool // each entry of upkeep is appended twice

	mu      sync.Mutex
	entries []notify.Stamped
	nodes   []*testNode
}

// testNode is a node with a store and a hub of its own. It is the notify.Journal of
// its service.
type testNode struct {
	*rig
	journal *sharedJournal
	lease   notify.Lease // nil: it always has one
	behind  error        // nil: it can catch up
	applied atomic.Uint64
	opened  bool
}

func (j *sharedJournal) start(name string) *testNode {
	n := &testNode{journal: j, rig: &rig{t: j.t, fs: vfs.NewMem(), keep: 1000, node: name}}
	n.open()
	j.nodes = append(j.nodes, n)
	return n
}

func (n *testNode) open() {
	n.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	n.cursors = cursor.NewKeyring()
	var err error
	n.store, err = store.Open("data", store.Options{
		FS: n.fs, Logger: quiet, Fatal: func(err error) { panic(err) }, Generations: n.cursors.Add,
	})
	require.NoError(n.t, err)
	n.applied.Store(uint64(n.store.Last()))
	n.hub = hub.New(hub.Options{Count: func(r notify.Reader, upTo notify.Sequence) (notify.Counts, bool) { return n.service.Count(r, upTo) }})
	local := peers.NewLocal(n.node, n.hub, func(c notify.Change) { n.service.Deliver(c) })
	lease := n.lease
	if lease == nil {
		lease = local
	}
	n.opened = false
	n.service, err = service.Open(context.Background(), service.Options{
		Journal: n, Store: n.store, Hub: n.hub, Cursors: n.cursors, Peers: local, Lease: lease, Logger: quiet, Metrics: noMetrics{},
		Retention: 30 * 24 * time.Hour, Keep: n.keep, PingEvery: 25 * time.Second,
	})
	require.NoError(n.t, err)
	n.opened = true
}

func (n *testNode) close() {
	n.t.Helper()
	n.hub.Drain(context.Background(), 0)
	require.NoError(n.t, n.store.Close())
}

func (n *testNode) Ready() error { return n.behind }

func (n *testNode) CatchUp(context.Context) {
	if n.behind == nil {
		n.catchUp()
	}
}

func (n *testNode) Durable() notify.Sequence { return notify.Sequence(n.applied.Load()) }

func (n *testNode) Append(_ context.Context, entries ...notify.Entry) []notify.Verdict {
	j := n.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, notify.Stamp(time.Now(), entries...)...)
	verdicts := n.catchUpLocked()
	own := verdicts[len(verdicts)-len(entries):]
	if j.twice && isUpkeep(entries[0]) {
		j.entries = append(j.entries, notify.Stamp(time.Now(), entries...)...)
		n.catchUpLocked()
	}
	if j.eager {
		for _, other := range j.nodes {
			other.catchUpLocked()
		}
	}
	return own
}

func isUpkeep(e notify.Entry) bool {
	switch e.(type) {
	case notify.Release, notify.Cleanup:
		return true
	}
	return false
}

// catchUp applies all entries that are in the journal.
func (n *testNode) catchUp() {
	n.journal.mu.Lock()
	defer n.journal.mu.Unlock()
	n.catchUpLocked()
}

func (n *testNode) catchUpLocked() []notify.Verdict {
	first := n.Durable() + 1
	entries := n.journal.entries[first-1:]
	if len(entries) == 0 {
		return nil
	}
	verdicts, changes, err := n.store.Apply(first, entries)
	require.NoError(n.t, err)
	n.applied.Add(uint64(len(entries)))
	for _, c := range changes {
		if n.opened { // before, it has no connections
			n.service.Deliver(c)
		}
	}
	return verdicts
}

// Nodes start, restart, publish and fall behind in any order. A client that goes
// from one to another resumes at each without a reset, and a ticket from one opens
// a connection at another: a node that is behind catches up first.
func TestNodesOpenEachOthersCursorsAndTickets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		j := &sharedJournal{t: t}
		defer func() {
			for _, n := range j.nodes {
				n.close()
			}
		}()
		j.start("node-1")
		client := roamer{seq: j.nodes[0].Durable()}
		client.cursor = j.nodes[0].connect("ada", "").cursor()
		pick := func(t *rapid.T) *testNode { return j.nodes[rapid.IntRange(0, len(j.nodes)-1).Draw(t, "node")] }
		rt.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				if len(j.nodes) < 4 {
					j.start(fmt.Sprint("node-", len(j.nodes)+1))
				}
			},
			"restart": func(t *rapid.T) {
				n := pick(t)
				n.close()
				n.open()
			},
			"catch up": func(t *rapid.T) { pick(t).catchUp() },
			"publish": func(t *rapid.T) {
				n := pick(t)
				title := fmt.Sprint("n", len(client.sent))
				n.publish(title, "ada")
				client.sent = append(client.sent, sent{n.Durable(), title})
			},
			"resume": func(t *rapid.T) { client.resume(t, pick(t)) },
			"ticket": func(t *rapid.T) {
				ticket, err := pick(t).service.IssueTicket(t.Context(), ada())
				require.NoError(t, err)
				p, err := pick(t).service.RedeemTicket(t.Context(), ticket)
				require.NoError(t, err)
				require.Equal(t, notify.UserID("ada"), p.User)
			},
		})
	})
}

// An export has what other nodes have acknowledged before.
func TestAnExportCatchesUpWithOtherNodes(t *testing.T) {
	j := &sharedJournal{t: t}
	j.start("node-1")
	j.start("node-2")
	behind, ahead := j.nodes[0], j.nodes[1]
	defer behind.close()
	defer ahead.close()
	ahead.publish("one", "ada")
	page, err := behind.service.Export(t.Context(), backend(), "ada", "")
	require.NoError(t, err)
	require.Len(t, page.Kept, 1)
}

// A cursor of another node is not refused by a node that cannot catch up: the client must
// retry, and not give up.
func TestACursorAheadOfANodeThatCannotCatchUp(t *testing.T) {
	j := &sharedJournal{t: t}
	ahead, n := j.start("node-1"), j.start("node-2")
	defer ahead.close()
	defer n.close()
	ahead.catchUp()
	ahead.publish("n1", "ada")
	cursor := ahead.cursorAt("ada", ahead.Durable())

	use := func() (list, mark error) {
		_, list = n.service.List(t.Context(), ada(), service.Query{Before: cursor, Limit: 1})
		_, mark = n.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{Through: cursor})
		return list, mark
	}
	n.behind = notify.Errorf(notify.ErrUnavailable, "the journal cannot be reached")
	list, mark := use()
	require.ErrorIs(t, list, notify.ErrUnavailable)
	require.ErrorIs(t, mark, notify.ErrUnavailable)
	d := n.register(ada())
	require.False(t, n.service.Join(t.Context(), d.conn, cursor, func() { t.Error("it was welcomed") }))
	require.Empty(t, d.all(), "no reset: nothing is lost")
	n.behind = nil
	list, mark = use()
	require.NoError(t, list)
	require.NoError(t, mark)
}

// roamer is a client that resumes at one node after another.
type roamer struct {
	sent   []sent
	cursor string
	seq    notify.Sequence // of the cursor
}

type sent struct {
	seq   notify.Sequence
	title string
}

func (r *roamer) resume(t *rapid.T, n *testNode) {
	behind := n.Durable() < r.seq
	want := []string{"welcome"}
	for _, s := range r.sent {
		if s.seq > r.seq && (behind || s.seq <= n.Durable()) {
			want = append(want, s.title)
		}
	}
	d := n.connect("ada", r.cursor)
	if got := d.caughtUp(); !slices.Equal(got, append(want, "live")) {
		t.Fatalf("resumed at %s with %q, want %q", n.node, got, want)
	}
	r.cursor, r.seq = d.cursor(), n.Durable()
	d.conn.End(notify.CloseLost)
}

// Two nodes may both believe that they hold the lease. An entry of upkeep that is
// appended a second time changes nothing: no notification comes twice, and the nodes
// agree.
func TestUpkeepTwiceDoesNoHarm(t *testing.T) {
	type outcome struct {
		events [2][]string
		pages  [2]wire.InboxPage
		usage  [2]store.Usage
	}
	run := func(t *testing.T, twice bool) (o outcome, releases int) {
		synctest.Test(t, func(t *testing.T) {
			j := &sharedJournal{t: t, eager: true, twice: twice}
			nodes := [2]*testNode{j.start("node-1"), j.start("node-2")}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			var devices [2]*device
			for i, n := range nodes {
				n.catchUp()
				devices[i] = n.connect("ada", "")
				running.Go(func() { n.service.Run(ctx) })
			}
			for i := range 5 {
				later := draft(fmt.Sprint("later ", i), "ada")
				later.DeliverAt = time.Now().Add(time.Duration(i+1) * time.Second)
				nodes[i%2].submit(later)
				short := draft(fmt.Sprint("short ", i), "ada")
				short.TTL = time.Duration(i+2) * time.Second
				nodes[(i+1)%2].submit(short)
			}
			pass(time.Minute)
			stop()
			running.Wait()
			for i, n := range nodes {
				o.events[i] = events(devices[i].all())
				page, err := n.service.List(t.Context(), ada(), service.Query{Filter: notify.Filter{State: notify.StateAll}, Limit: 50})
				require.NoError(t, err)
				page.Cursor = ""            // its sequence counts all entries
				for k := range page.Items { // IDs are random, and sequences count all entries
					page.Items[k].Cursor, page.Items[k].Sequence = "", 0
					page.Items[k].Content = page.Items[k].Content[len(`"id":"00000000-0000-0000-0000-000000000000"`):]
				}
				o.pages[i], o.usage[i] = page, n.store.Usage()
				n.close()
			}
			for _, e := range j.entries {
				if _, ok := e.Entry.(notify.Release); ok {
					releases++
				}
			}
		})
		return o, releases
	}
	once, releases := run(t, false)
	twice, more := run(t, true)
	// Even without a second copy, both nodes may release the same notification.
	require.GreaterOrEqual(t, releases, 5, "once for each deferred notification")
	require.GreaterOrEqual(t, more, 10, "twice for each deferred notification")
	require.Equal(t, once, twice)
	require.Equal(t, twice.pages[0], twice.pages[1])
	require.Len(t, twice.pages[0].Items, 5, "those that were deferred, since the others have expired")
	for _, title := range []string{"later 0", "later 4", "short 0"} {
		for _, all := range twice.events {
			require.Len(t, slices.DeleteFunc(slices.Clone(all), func(e string) bool { return e != title }), 1, title)
		}
	}
}

// lendable is a lease that a test gives and takes.
type lendable struct {
	granted chan context.Context
	stopped chan struct{} // receives each time that upkeep has stopped
}

func (l *lendable) Acquire(ctx context.Context) (context.Context, func(), error) {
	select {
	case held := <-l.granted:
		return held, func() { l.stopped <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func TestUpkeepStopsWithItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &sharedJournal{t: t}
		lease := &lendable{make(chan context.Context), make(chan struct{})}
		n := &testNode{journal: j, lease: lease, rig: &rig{t: t, fs: vfs.NewMem(), keep: 1000, node: "node-1"}}
		n.open()
		defer n.close()
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { n.service.Run(ctx) })
		defer running.Wait()
		defer stop()

		later := func() {
			d := draft("later", "ada")
			d.DeliverAt = time.Now().Add(time.Second)
			n.submit(d)
		}
		delivered := func() int {
			counts, ok := n.service.Count(notify.Reader{User: "ada"}, n.Durable())
			require.True(t, ok)
			return counts.Unread
		}
		later()
		pass(time.Minute)
		require.Zero(t, delivered(), "without the lease")
		for i := 1; i <= 2; i++ {
			held, lose := context.WithCancel(ctx)
			lease.granted <- held
			synctest.Wait()
			require.Equal(t, i, delivered(), "with it")
			lose()
			<-lease.stopped
			later()
			pass(time.Minute)
			require.Equal(t, i, delivered(), "after its loss")
		}
	})
}
