//go:build linux

package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/traffic"
)

const cuts = 10

// TestPowerCut simulates ten power cuts while 16 publishers publish. The file system
// keeps all synced data and a random part of the rest. Promise 1: every notification
// that was answered or delivered before the cut is there afterwards. Promise 3: in the
// order of delivery. A cursor from before the cut stays valid.
func TestPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	random := rand.New(rand.NewPCG(1, 2))
	var cursor string
	var before []string
	acknowledged, recovery := 0, time.Duration(0)
	for cut := range cuts {
		n := openNode(t, fs)
		watcher := n.connect(t, cursor)
		ctx, cancel := context.WithCancel(t.Context())
		acceptedTitles := &titles{}
		var all sync.WaitGroup
		for p := range publishers {
			all.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					title := fmt.Sprintf("cut %d publisher %d number %d", cut, p, i)
					if _, err := n.service.Publish(ctx, backend(), service.Call{}, draft(title)); err == nil {
						acceptedTitles.add(title)
					}
				}
			})
		}
		watcher.received.wait(t, len(before)+500)
		delivered := watcher.received.all()
		accepted := acceptedTitles.all()
		resume := watcher.cursor()
		fs = n.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		cancel()
		all.Wait()
		n.close(t)

		begun := time.Now()
		after := openNode(t, fs)
		recovery = max(recovery, time.Since(begun))
		acknowledged += len(accepted)
		history := after.connect(t, service.Earliest)
		got := history.received.all()
		require.Subset(t, got, accepted, "cut %d: an accepted notification is missing", cut)
		require.Equal(t, delivered, got[:len(delivered)], "cut %d: the delivered notifications or their order differ", cut)
		require.Zero(t, after.connect(t, resume).resets, "cut %d: the cursor was reset", cut)
		cursor, before = service.Earliest, got
		after.close(t)
	}
	record(t, result{
		fault: fmt.Sprintf("power cut %d times; a random part of what was not synced is kept", cuts), recovery: recovery,
		load: fmt.Sprintf("%d publishers without a pause", publishers), Outcome: traffic.Outcome{Acknowledged: acknowledged},
	})
}

// titles is a list of titles for concurrent use.
type titles struct {
	mu   sync.Mutex
	list []string
}

func (l *titles) add(title string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, title)
}

func (l *titles) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.list...)
}

func (l *titles) wait(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(l.all()) >= n }, timeout, time.Millisecond)
}

// node is a service with its journal, store and hub, on a file system in memory.
type node struct {
	fs      *vfs.MemFS
	store   *store.Store
	hub     *hub.Hub
	service *service.Service
	cursors *cursor.Keyring
	stop    context.CancelFunc
	runs    sync.WaitGroup
}

func openNode(t *testing.T, fs *vfs.MemFS) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	keyring := cursor.NewKeyring()
	s, err := store.Open("data", store.Options{
		FS: fs, Logger: quiet, Fatal: func(err error) { panic(err) }, Generations: keyring.Add,
	})
	require.NoError(t, err)
	n := &node{fs: fs, store: s, hub: hub.New(hub.Options{QueueLen: 1 << 20, QueueBytes: 1 << 30}), cursors: keyring}
	j := journal.NewLocal(journal.Options{
		State: s, Last: s.Last(), LastTime: s.LastTime(), Metrics: noMetrics{},
		Deliver: func(c notify.Change) { n.service.Deliver(c) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.runs.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	n.service, err = service.Open(t.Context(), service.Options{
		Journal: j, Store: s, Hub: n.hub, Cursors: n.cursors, Logger: quiet, Metrics: noMetrics{},
		Retention: 24 * time.Hour, Keep: 1 << 20,
	})
	require.NoError(t, err)
	return n
}

func (n *node) close(t *testing.T) {
	t.Helper()
	n.hub.Drain(context.Background(), 0)
	n.stop()
	n.runs.Wait()
	require.NoError(t, n.store.Close())
}

type noMetrics struct{}

func (noMetrics) Committed(int, float64)             {}
func (noMetrics) Published(notify.Audience, string)  {}
func (noMetrics) Stored(time.Duration)               {}
func (noMetrics) Replayed(int)                       {}
func (noMetrics) Reset(string)                       {}
func (noMetrics) Ticket(string)                      {}
func (noMetrics) Upkeep(string, time.Duration, bool) {}

func backend() notify.Principal {
	return notify.Principal{Name: "backend", Scopes: []notify.Scope{notify.ScopeBroadcast}}
}

func draft(title string) notify.Draft {
	return notify.Draft{All: true, Type: "chaos", Title: title, Priority: notify.PriorityNormal}
}

// device is a connection of ada that records the titles of its notifications.
type device struct {
	node     *node
	received titles
	mu       sync.Mutex
	last     notify.Sequence
	resets   int
}

func (n *node) connect(t *testing.T, cursor string) *device {
	t.Helper()
	d := &device{node: n}
	c := n.hub.NewConn(notify.Principal{User: "ada", Expires: time.Now().Add(time.Hour)}, "c", nil, d)
	require.NoError(t, n.hub.Register(c))
	require.True(t, n.service.Join(t.Context(), c, cursor, func() {}))
	return d
}

func (d *device) cursor() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(d.node.cursors.Append(nil, cursor.TagOf("ada"), d.last))
}

// Write implements hub.Transport.
func (d *device) Write(events []*hub.Event, _ bool) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range events {
		switch c := f.Content.(type) {
		case hub.Reset:
			d.resets++
		case hub.Notification:
			_, rest, _ := strings.Cut(string(c.Content), `"title":"`)
			title, _, _ := strings.Cut(rest, `"`)
			d.received.add(title)
			d.last = f.Sequence
		}
	}
	return true, nil
}

// Size implements hub.Transport.
func (*device) Size(*hub.Event) int { return 300 }

// Name implements hub.Transport.
func (*device) Name() string      { return "test" }
func (*device) Nonblocking() bool { return true }

// Ping implements hub.Transport.
func (d *device) Ping() (bool, error) { return true, nil }

// Close implements hub.Transport.
func (d *device) Close(notify.Close) {}
