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

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// TestInboxAgainstModel holds lists, counts and orders against the model under
// random publishes, marks, recalls, passing time, lost connections, restarts and
// power cuts: what is listed, and what each device has made of the frames that
// it was told, agree always.
//
// All sequences share one bubble, whose clock stands still while something is
// done, so that every one ends in a moment.
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

// world drives a road and its model. Every action takes a second, or several,
// and each of them goes alike: at 100 ms something is done, at 200 ms what was
// deferred is due, at 300 ms the inbox sweeps, at 600 ms the hub tells fresh
// counts, and at 800 ms all must agree.
type world struct {
	*rig
	model   *model
	clients []*client
	titles  int
	stopRun func()
}

func newWorld(t *testing.T, rt *rapid.T, keep int) *world {
	w := &world{rig: &rig{t: t, fs: vfs.NewCrashableMem(), keep: keep}, model: newModel(keep)}
	begin := time.Now().Truncate(time.Second).Add(time.Second + 100*time.Millisecond)
	time.Sleep(time.Until(begin))
	w.start()
	told := map[notify.UserID]orders{}
	for _, c := range []*client{
		{name: "ada's phone", by: notify.Principal{User: "ada", Topics: []notify.TopicPattern{"team", "project.*"}}},
		{name: "ada's laptop", by: notify.Principal{User: "ada", Topics: []notify.TopicPattern{"team"}}},
		{name: "grace's tablet", by: notify.Principal{User: "grace", Topics: []notify.TopicPattern{"project.b"}, Since: begin.Add(5 * time.Second)}},
	} {
		if told[c.by.User] == nil {
			told[c.by.User] = orders{}
		}
		c.by.Name, c.by.Expires, c.told = "user:"+string(c.by.User), begin.Add(30*24*time.Hour), told[c.by.User]
		c.open(rt, w.rig, w.model)
		w.clients = append(w.clients, c)
	}
	w.boot()
	return w
}

// boot has a service that was just started keep house from now on.
func (w *world) boot() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	time.Sleep(200 * time.Millisecond)
	running.Go(func() { w.service.Run(ctx) })
	synctest.Wait()
	w.model.release(time.Now())
	time.Sleep(300 * time.Millisecond)
	running.Go(func() { w.hub.Run(ctx) })
	w.stopRun = func() { cancel(); running.Wait() }
	time.Sleep(500 * time.Millisecond)
	w.settle()
}

// settle lets a second pass, from what is done to when all must agree.
func (w *world) settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
	w.model.release(time.Now())
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
	w.model.sweep(time.Now())
	time.Sleep(500 * time.Millisecond)
	synctest.Wait()
}

// next waits for when the next thing is done.
func (*world) next() { time.Sleep(300 * time.Millisecond) }

// act makes an action of what does something.
func (w *world) act(do func(*rapid.T)) func(*rapid.T) {
	return func(t *rapid.T) {
		w.next()
		do(t)
		synctest.Wait()
		w.settle()
	}
}

func (w *world) end() {
	w.stopRun()
	w.stop()
}

func listed(t *rapid.T, r *rig, by notify.Principal, q service.Query) wire.InboxPage {
	page, err := r.service.List(context.Background(), by, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// check holds everything that anybody can see against the model.
func (w *world) check(t *rapid.T) {
	limit := rapid.IntRange(1, 9).Draw(t, "limit")
	for _, c := range w.clients {
		r := c.by.Reader()
		for _, state := range []notify.InboxState{notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived, notify.StateAll} {
			w.checkList(t, c.by, state, limit)
		}
		c.handle(t)
		if c.device == nil {
			continue
		}
		if c.device.conn.Ended() {
			t.Fatalf("%s lost its connection", c.name)
		}
		if want := w.model.unread(r); !c.live || c.unread != want {
			t.Fatalf("%s shows %d unread (live: %v), want %d", c.name, c.unread, c.live, want)
		}
		list := w.model.list(r, notify.StateAll, time.Now())
		unknown := func(id string) bool {
			held := slices.ContainsFunc(list, func(n *note) bool { return n.id == id })
			return !held && w.model.isMissed(r, id, c.missed)
		}
		if got, want := c.words(unknown), w.words(r, list); !slices.Equal(got, want) {
			t.Fatalf("%s shows %q, want %q", c.name, got, want)
		}
	}
}

func (w *world) words(r notify.Reader, notes []*note) (all []string) {
	for _, n := range notes {
		v := w.model.view(r, n)
		all = append(all, wordOf(n.draft.Title, !v.Read.IsZero(), !v.Archived.IsZero()))
	}
	return all
}

// checkList reads all pages of a list.
func (w *world) checkList(t *rapid.T, by notify.Principal, state notify.InboxState, limit int) {
	r := by.Reader()
	want := w.model.list(r, state, time.Now())
	var got []wire.InboxItem
	before := ""
	for {
		page := listed(t, w.rig, by, service.Query{State: state, Before: before, Limit: limit})
		if count := w.model.unread(r); page.Unread != count {
			t.Fatalf("%s has %d unread, want %d", by.User, page.Unread, count)
		}
		if len(page.Items) > limit {
			t.Fatalf("a page of %d, want at most %d", len(page.Items), limit)
		}
		got = append(got, page.Items...)
		if before = page.Next; before == "" {
			break
		}
		if len(page.Items) == 0 || len(got) >= len(want) {
			t.Fatalf("%s %q: %d of %d listed, and more is said to be", by.User, state, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s %q: %d listed, want %d", by.User, state, len(got), len(want))
	}
	for i, n := range want {
		view := w.model.view(r, n)
		if got[i].ID() != n.id || fmt.Sprint(got[i].View) != fmt.Sprint(view) {
			t.Fatalf("%s %q: number %d is %s %v, want %s %q %v", by.User, state, i, got[i].ID(), got[i].View, n.id, n.draft.Title, view)
		}
	}
}
