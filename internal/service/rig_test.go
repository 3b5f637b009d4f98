package service_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

// rig is a service with a real journal, store and hub. The store is in memory.
type rig struct {
	t           *testing.T
	fs          *vfs.MemFS
	keep        int
	service     *service.Service
	wrap        func(*store.Store) service.Store        // nil: the store as it is
	machine     func(*store.Store) journal.StateMachine // applies entries; nil: the store does
	wrapJournal func(notify.Journal) notify.Journal     // nil: the journal as it is
	wrapPeers   func(notify.Peers) notify.Peers         // nil: there are no other nodes
	hub         *hub.Hub
	cursors     *cursor.Keyring
	node        string       // its name; empty: node-1
	peers       notify.Peers // this node alone
	journal     *journal.Local
	store       *store.Store
	stop        func()
	metrics     countedMetrics

	reserve                      uint64
	broadcasts, publishes, marks *limit.Limiter
	requests                     *limit.Principals
	issuers                      service.Issuers
}

func newRig(t *testing.T, sets ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, fs: vfs.NewCrashableMem(), keep: 1000}
	for _, set := range sets {
		set(r)
	}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) start() {
	r.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	r.cursors = cursor.NewKeyring()
	s, err := store.Open("data", store.Options{
		FS: r.fs, Logger: quiet, Fatal: func(err error) { panic(err) }, Generations: r.cursors.Add,
	})
	require.NoError(r.t, err)
	var b *service.Service
	h := hub.New(hub.Options{Count: func(r notify.Reader, upTo notify.Sequence) (notify.Counts, bool) { return b.Count(r, upTo) }})
	opened := make(chan struct{})
	var machine journal.StateMachine = s
	if r.machine != nil {
		machine = r.machine(s)
	}
	j := journal.NewLocal(journal.Options{
		State: machine, Last: s.Last(), LastTime: s.LastTime(), Metrics: noMetrics{},
		Deliver: func(c notify.Change) { <-opened; b.Deliver(c) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := j.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	var seen service.Store = s
	if r.wrap != nil {
		seen = r.wrap(s)
	}
	local := peers.NewLocal(cmp.Or(r.node, "node-1"), h, func(c notify.Change) { b.Deliver(c) })
	r.peers = local
	all := r.peers
	if r.wrapPeers != nil {
		all = r.wrapPeers(r.peers)
	}
	var entries notify.Journal = j
	if r.wrapJournal != nil {
		entries = r.wrapJournal(j)
	}
	b, err = service.Open(ctx, service.Options{
		Journal: entries, Store: seen, Hub: h, Cursors: r.cursors, Peers: all, Lease: local, Logger: quiet, Metrics: &r.metrics,
		Retention: 30 * 24 * time.Hour, Keep: r.keep, PingEvery: 25 * time.Second,
		Broadcasts: r.broadcasts, Publishes: r.publishes, Issuers: r.issuers,
		Requests: r.requests, Marks: r.marks, Reserve: r.reserve,
	})
	require.NoError(r.t, err)
	close(opened)
	r.service, r.hub, r.journal, r.store = b, h, j, s
	r.stop = func() {
		h.Drain(context.Background(), 0)
		cancel()
		running.Wait()
		require.NoError(r.t, s.Close())
	}
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

type noMetrics struct{}

func (noMetrics) Committed(int, float64)             {}
func (noMetrics) Published(notify.Audience, string)  {}
func (noMetrics) Stored(time.Duration)               {}
func (noMetrics) Replayed(int)                       {}
func (noMetrics) Reset(string)                       {}
func (noMetrics) Ticket(string)                      {}
func (noMetrics) Upkeep(string, time.Duration, bool) {}

// backend may publish to anyone.
func backend() notify.Principal {
	return notify.Principal{Name: "user:backend", Scopes: []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast}}
}

func draft(title string, users ...notify.UserID) notify.Draft {
	return notify.Draft{
		Users: users, All: len(users) == 0,
		Type: "t", Title: title, Priority: notify.PriorityNormal, Source: []byte("{}"),
	}
}

func toTopics(title string, topics ...notify.Topic) notify.Draft {
	d := draft(title)
	d.All, d.Topics = false, topics
	return d
}

// subscriber is a user whose token names topics.
func subscriber(user notify.UserID, topics ...notify.TopicPattern) notify.Principal {
	return notify.Principal{User: user, Name: "user:" + string(user), Topics: topics, Expires: time.Now().Add(time.Hour)}
}

// submit publishes d as a backend.
func (r *rig) submit(d notify.Draft) notify.Receipt {
	r.t.Helper()
	receipt, err := r.service.Publish(r.t.Context(), backend(), service.Call{Path: "/notify"}, d)
	require.NoError(r.t, err)
	return receipt
}

func (r *rig) publish(title string, users ...notify.UserID) notify.Receipt {
	r.t.Helper()
	return r.submit(draft(title, users...))
}

// device is a connection that keeps the events it receives.
type device struct {
	r    *rig
	user notify.UserID
	conn *hub.Conn
	hold chan struct{} // writes wait until it is closed; nil: they do not wait

	mu     sync.Mutex
	frames []frame
	more   chan struct{} // of capacity 1: there are new frames
	closed *notify.Close
}

type frame struct {
	event, cursor, title, reason string
	data                         []byte
}

func (d *device) Write(events []*hub.Event, _ bool) (bool, error) {
	if d.hold != nil {
		<-d.hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range events {
		got := frameOf(f)
		if f.Sequence != 0 {
			got.cursor = string(d.r.cursors.Append(nil, cursor.TagOf(d.user), f.Sequence))
		}
		var data struct{ Title, Reason string }
		if err := json.Unmarshal(got.data, &data); err != nil {
			return true, err
		}
		got.title, got.reason = data.Title, data.Reason
		d.frames = append(d.frames, got)
	}
	select {
	case d.more <- struct{}{}:
	default:
	}
	return true, nil
}

func (*device) Size(*hub.Event) int { return 300 }

func (*device) Name() string      { return "test" }
func (*device) Nonblocking() bool { return true }

// Ping is answered at once.
func (d *device) Ping() (bool, error) {
	d.conn.NoteActivity()
	return true, nil
}

func (d *device) Close(why notify.Close) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = &why
}

func (r *rig) connect(user notify.UserID, cursor string) *device {
	return r.connectAs(notify.Principal{User: user, Name: "user:" + string(user), Expires: time.Now().Add(time.Hour)}, cursor)
}

func (r *rig) connectAs(p notify.Principal, cursor string) *device {
	r.t.Helper()
	d := r.register(p)
	if !r.service.JoinAtOnce(d.conn, cursor) {
		d.join(cursor)
	}
	return d
}

// register returns a connection that has not joined yet.
func (r *rig) register(p notify.Principal) *device {
	r.t.Helper()
	d := &device{r: r, user: p.User, more: make(chan struct{}, 1)}
	d.conn = r.hub.NewConn(p, "c", nil, d)
	require.NoError(r.t, r.hub.Register(d.conn))
	return d
}

// join joins by the slow path.
func (d *device) join(cursor string) {
	r := d.r
	r.t.Helper()
	welcomed := false
	require.True(r.t, r.service.Join(r.t.Context(), d.conn, cursor, func() { welcomed = true }))
	require.True(r.t, welcomed)
}

// wait returns all events as soon as done reports that they are complete.
func (d *device) wait(done func([]frame) bool) []frame {
	d.r.t.Helper()
	for {
		d.mu.Lock()
		frames := append([]frame(nil), d.frames...)
		d.mu.Unlock()
		if done(frames) {
			return frames
		}
		select {
		case <-d.more:
		case <-time.After(10 * time.Second):
			d.r.t.Fatalf("waited for more than %v", events(frames))
		}
	}
}

// received waits for n events and returns them as words: a notification as its
// title, a reset with its reason, everything else by its name.
func (d *device) received(n int) []string {
	d.r.t.Helper()
	return events(d.wait(func(fs []frame) bool { return len(fs) >= n }))
}

// all returns the events so far.
func (d *device) all() []frame { return d.wait(func([]frame) bool { return true }) }

// caughtUp waits until the connection is live, and returns the events so far.
func (d *device) caughtUp() []string {
	d.r.t.Helper()
	return events(d.wait(func(fs []frame) bool { return fs[len(fs)-1].event == "live" }))
}

func events(frames []frame) []string {
	var words []string
	for _, f := range frames {
		switch f.event {
		case "notification":
			words = append(words, f.title)
		case "reset":
			words = append(words, "reset "+f.reason)
		default:
			words = append(words, f.event)
		}
	}
	return words
}

func (d *device) cursor() string {
	cursor := ""
	for _, f := range d.all() {
		if f.cursor != "" {
			cursor = f.cursor
		}
	}
	return cursor
}

// frameOf returns an event as version 1 of the protocol names and encodes it.
func frameOf(e *hub.Event) frame {
	type change struct {
		Seen        []string `json:"seen,omitempty"`
		Read        []string `json:"read,omitempty"`
		Unread      []string `json:"unread,omitempty"`
		Archived    []string `json:"archived,omitempty"`
		Recalled    []string `json:"recalled,omitempty"`
		UnreadCount *int     `json:"unread_count,omitempty"`
		UnseenCount *int     `json:"unseen_count,omitempty"`
	}
	data := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b
	}
	switch c := e.Content.(type) {
	case hub.Notification:
		return frame{event: "notification", data: wire.AppendNotification(nil, c.Notification)}
	case hub.InboxChange:
		all := change{Seen: c.Seen, Read: c.Read, Unread: c.Unread, Archived: c.Archived, Recalled: c.Recalled}
		if c.Counted {
			all.UnreadCount, all.UnseenCount = &c.Counts.Unread, &c.Counts.Unseen
		}
		return frame{event: "inbox", data: data(all)}
	case hub.Live:
		return frame{event: "live", data: data(change{UnreadCount: &c.Counts.Unread, UnseenCount: &c.Counts.Unseen})}
	case hub.Welcome:
		return frame{event: "welcome", data: data(map[string]any{"connection": c.Connection, "user": c.User, "resumed": c.Resumed})}
	case hub.Reset:
		return frame{event: "reset", data: data(map[string]any{"reason": c.Reason})}
	default:
		return frame{event: "reply", data: []byte("{}")}
	}
}
