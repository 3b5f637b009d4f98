package service_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
	"github.com/bellhop/bellhop/test/model"
)

// TestInboxAgainstModel compares lists, counts and orders with the model under
// random publishes, marks, recalls, passing time, lost connections, restarts and
// power cuts: lists, and the state that each device has derived from the events that
// it received, agree always.
//
// All sequences share one bubble, in which passing time takes no time.
func TestInboxAgainstModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			w := newWorld(t, rt, rapid.SampledFrom([]int{1000, 1000, 5, 2}).Draw(rt, "keep"))
			defer w.end()
			rt.Repeat(w.actions())
		})
	})
}

// inBubble keeps rapid from asking for the test's deadline, which a bubble does
// not have.
type inBubble struct{ *testing.T }

// world drives a rig and a model. The model applies every entry directly after the
// store, and compares the verdicts with its own. Upkeep runs when the
// world calls it.
type world struct {
	*rig
	model   *model.Model
	applied []notify.Stamped
	drafts  map[string]notify.Draft // by ID
	clients []*client
	stopHub func()
}

// recorder applies entries to the store and to the model of a world.
type recorder struct {
	journal.StateMachine
	world *world
	t     *rapid.T
}

func (r *recorder) Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	verdicts, changes, err := r.StateMachine.Apply(first, entries)
	for i, v := range verdicts {
		e := entries[i]
		want := r.world.model.Apply(first+notify.Sequence(i), e.Time, e.Entry)
		if (v.Err == nil) != (want.Err == nil) {
			r.t.Errorf("entry %d, %T: %v, want %v", v.Sequence, e.Entry, v.Err, want.Err)
		}
		r.world.applied = append(r.world.applied, e)
	}
	return verdicts, changes, err
}

func newWorld(t *testing.T, rt *rapid.T, keep int) *world {
	w := &world{model: model.New(), drafts: map[string]notify.Draft{}}
	w.rig = &rig{t: t, fs: vfs.NewCrashableMem(), keep: keep, machine: func(s *store.Store) journal.StateMachine {
		return &recorder{StateMachine: s, world: w, t: rt}
	}}
	begin := time.Now()
	w.start()
	received := map[notify.UserID]orders{}
	for _, c := range []*client{
		{name: "ada's phone", by: notify.Principal{User: "ada", Topics: []notify.TopicPattern{"team", "project.*"}}},
		{name: "ada's laptop", by: notify.Principal{User: "ada", Topics: []notify.TopicPattern{"team"}}},
		{name: "grace's tablet", by: notify.Principal{User: "grace", Topics: []notify.TopicPattern{"project.b"}, Since: begin.Add(5 * time.Second)}},
	} {
		if received[c.by.User] == nil {
			received[c.by.User] = orders{}
		}
		c.by.Name, c.by.Expires, c.received = "user:"+string(c.by.User), begin.Add(30*24*time.Hour), received[c.by.User]
		c.open(rt, w.rig, w.model)
		w.clients = append(w.clients, c)
	}
	w.runHub()
	w.settle(rt)
	return w
}

func (w *world) runHub() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.hub.Run(ctx) })
	w.stopHub = func() { cancel(); running.Wait() }
}

// settle runs upkeep, and then lets the hub send fresh counts, which it does within
// two of its ticks. From then on only time passes.
func (w *world) settle(t *rapid.T) {
	synctest.Wait()
	if err := w.service.Upkeep(context.Background()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if late := w.model.Deferred(now); len(late) > 0 {
		t.Fatalf("not delivered, though due: %v", late)
	}
	for _, c := range w.clients {
		for _, it := range w.model.Inbox(c.by.Reader()) {
			if it.Expired(now) {
				t.Fatalf("not removed, though expired: %s", w.drafts[it.ID()].Title)
			}
		}
	}
	pass(2 * hubTick)
}

// hubTick is how often the hub looks for connections that need a fresh count.
const hubTick = time.Second

// act returns an action that does something.
func (w *world) act(do func(*rapid.T)) func(*rapid.T) {
	return func(t *rapid.T) {
		do(t)
		w.settle(t)
		again := false
		for _, c := range w.clients {
			again = c.reconnect(t, w.rig, w.model) || again
		}
		if again {
			w.settle(t)
		}
	}
}

func (w *world) end() {
	w.stopHub()
	w.stop()
}

// lastEntry returns the entry that was applied last, which must be an E.
func lastEntry[E notify.Entry](t *rapid.T, w *world) (e E) {
	e, ok := w.applied[len(w.applied)-1].Entry.(E)
	if !ok {
		t.Fatalf("appended %T, want %T", w.applied[len(w.applied)-1].Entry, e)
	}
	return e
}

func listed(t *rapid.T, r *rig, by notify.Principal, q service.Query) wire.InboxPage {
	page, err := r.service.List(context.Background(), by, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// check compares everything that clients can see with the model.
func (w *world) check(t *rapid.T) {
	limit := rapid.IntRange(1, 9).Draw(t, "limit")
	for _, c := range w.clients {
		r := c.by.Reader()
		for _, state := range []notify.InboxState{notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived, notify.StateAll} {
			w.checkList(t, c.by, notify.Filter{State: state}, limit)
		}
		w.checkFilters(t, c.by, limit)
		c.handle(t)
		if c.device == nil {
			continue
		}
		if c.device.conn.Ended() {
			t.Fatalf("%s lost its connection", c.name)
		}
		if want := w.model.Counts(r); !c.live || c.counts != want {
			t.Fatalf("%s shows %+v (live: %v), want %+v", c.name, c.counts, c.live, want)
		}
		list := w.model.List(r, &notify.Filter{State: notify.StateAll}, time.Now())
		unknown := func(id string) bool {
			held := slices.ContainsFunc(list, func(it model.Item) bool { return it.ID() == id })
			return !held && w.model.EvictedFor(r, id, c.missed)
		}
		if got, want := c.words(unknown), w.words(list); !slices.Equal(got, want) {
			t.Fatalf("%s shows %q, want %q", c.name, got, want)
		}
	}
}

func (w *world) words(items []model.Item) (all []string) {
	for _, it := range items {
		all = append(all, wordOf(w.drafts[it.ID()].Title, !it.Seen.IsZero(), !it.Read.IsZero(), !it.Archived.IsZero()))
	}
	return all
}

// checkList reads all pages of a list.
func (w *world) checkList(t *rapid.T, by notify.Principal, f notify.Filter, limit int) {
	r := by.Reader()
	want := w.model.List(r, &f, time.Now())
	var got []wire.InboxItem
	before := ""
	for {
		page := listed(t, w.rig, by, service.Query{Filter: f, Before: before, Limit: limit})
		if counts := w.model.CountMatching(r, &f, notify.ByNothing).Counts; page.Counts != counts {
			t.Fatalf("%s has %+v, want %+v", by.User, page.Counts, counts)
		}
		if len(page.Items) > limit {
			t.Fatalf("a page of %d, want at most %d", len(page.Items), limit)
		}
		got = append(got, page.Items...)
		if before = page.Next; before == "" {
			break
		}
		if len(page.Items) == 0 || len(got) >= len(want) {
			t.Fatalf("%s %+v: %d of %d listed, and more is said to be", by.User, f, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s %+v: %d listed, want %d", by.User, f, len(got), len(want))
	}
	for i, it := range want {
		if got[i].ID() != it.ID() || fmt.Sprint(got[i].View) != fmt.Sprint(it.View) {
			t.Fatalf("%s %+v: number %d is %s %v, want %s %q %v", by.User, f, i, got[i].ID(), got[i].View, it.ID(), w.drafts[it.ID()].Title, it.View)
		}
	}
}
