package service_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"publish":         w.act(w.publishOne),
		"publish another": w.act(w.publishOne),
		"publish several": w.act(func(t *rapid.T) { w.publishOne(t); w.publishOne(t); w.publishOne(t) }),
		"join or leave":   w.act(w.changeMembers),
		"off or on":       w.act(w.prefer),
		"off or on again": w.act(w.prefer),
		"erase":           w.act(w.erase),
		"mark":            w.act(w.mark),
		"mark more":       w.act(w.mark),
		"recall":          w.act(w.recallOne),
		"let time pass": w.act(func(t *rapid.T) {
			pass(time.Duration(rapid.IntRange(1, 4_000).Draw(t, "milliseconds")) * time.Millisecond)
		}),
		"lose connections": w.act(w.lose),
		"resume":           w.act(w.resume),
		"save":             w.act(w.save),
		"crash":            w.act(w.crash),
		"list":             w.act(w.open),
		"restart":          w.act(func(*rapid.T) { w.restartWith(func() {}) }),
		"power cut": w.act(func(*rapid.T) {
			after := w.fs.CrashClone(synced())
			w.restartWith(func() { w.fs = after })
		}),
		"": w.check,
	}
}

func (w *world) publishOne(t *rapid.T) {
	d := draft(fmt.Sprint("n", len(w.drafts)+1), "ada")
	d.Users = nil
	d.Type = rapid.SampledFrom([]string{"t", "comment.created", "comment.deleted"}).Draw(t, "type")
	d.Priority = rapid.SampledFrom([]notify.Priority{notify.PriorityNormal, notify.PriorityHigh}).Draw(t, "priority")
	switch rapid.IntRange(0, 4).Draw(t, "to") {
	case 0:
		d.All = true
	case 1:
		d.Topics = []notify.Topic{rapid.SampledFrom([]notify.Topic{"team", "project.a", "project.b", "other"}).Draw(t, "topic")}
	default:
		d.Users = rapid.SampledFrom([][]notify.UserID{{"ada"}, {"ada", "grace"}, {"grace", "ada"}, {"grace"}}).Draw(t, "users")
	}
	d.CollapseKey = rapid.SampledFrom([]string{"", "", "k1", "k2"}).Draw(t, "collapse key")
	if d.CollapseKey == "" && d.Topics != nil && rapid.Bool().Draw(t, "to several topics") {
		d.Topics = []notify.Topic{"project.b", "other", "team"}
	}
	if rapid.IntRange(0, 2).Draw(t, "expires") == 0 {
		d.TTL = time.Duration(rapid.IntRange(1, 9).Draw(t, "ttl")) * time.Second
	}
	switch rapid.IntRange(0, 9).Draw(t, "how") {
	case 0:
		d.Ephemeral = true
	case 1:
		d.DeliverAt = time.Now().Add(time.Duration(rapid.IntRange(1, 6_000).Draw(t, "deferred")) * time.Millisecond)
	}
	if d.Users == nil && rapid.IntRange(0, 2).Draw(t, "leaves out") == 0 {
		d.Except = rapid.SampledFrom([][]notify.UserID{{"ada"}, {"grace"}, {"grace", "nobody"}}).Draw(t, "except")
	}
	receipt, err := w.service.Publish(context.Background(), backend(), service.Call{}, d)
	if err != nil {
		t.Fatal(err)
	}
	w.drafts[receipt.ID] = d
	if d.Ephemeral {
		return
	}
	e := lastEntry[notify.Publish](t, w)
	want := notify.Publish{
		By: backend().Name, ID: receipt.ID, Audience: e.Audience, Users: d.Users, Topics: d.Topics, Except: d.Except,
		CollapseKey: d.CollapseKey, Content: e.Content, TTL: d.TTL, DeliverAt: d.DeliverAt, Keep: w.keep,
	}
	if !reflect.DeepEqual(e, want) {
		t.Fatalf("appended %+v, want %+v", e, want)
	}
}

// changeMembers makes a user join or leave topics, by one of the two ways that backends have.
func (w *world) changeMembers(t *rapid.T) {
	topics := []notify.Topic{"team", "project.a", "project.b", "other"}
	manager := notify.Principal{Name: "key:manager", Scopes: []notify.Scope{notify.ScopeTopics}}
	user := rapid.SampledFrom([]notify.UserID{"ada", "grace"}).Draw(t, "member")
	before := w.model.TopicsOf(user)
	var joined, left int
	var err error
	if rapid.Bool().Draw(t, "all topics") {
		set := rapid.SliceOfNDistinct(rapid.SampledFrom(topics), 0, 2, rapid.ID).Draw(t, "topics")
		joined, left, err = w.service.SetTopics(context.Background(), manager, notify.UserTopics{User: user, Topics: set})
	} else {
		e := notify.Members{Topic: rapid.SampledFrom(topics).Draw(t, "topic")}
		if rapid.Bool().Draw(t, "joins") {
			e.Add = []notify.UserID{user}
		} else {
			e.Remove = []notify.UserID{user}
		}
		joined, left, err = w.service.ChangeMembers(context.Background(), manager, e)
	}
	after, listErr := w.service.TopicsOf(context.Background(), manager, user)
	if want := w.model.TopicsOf(user); err != nil || listErr != nil || !slices.Equal(after, want) || len(after)-len(before) != joined-left {
		t.Fatalf("%s hears %q after %d joined and %d left, want %q (%v, %v)", user, after, joined, left, want, err, listErr)
	}
}

// mark changes read state as one of the users, by one of the ways that clients have.
func (w *world) mark(t *rapid.T) {
	c := drawn(t, w.clients)
	r := c.by.Reader()
	verb := rapid.SampledFrom([]notify.Verb{notify.VerbSeen, notify.VerbRead, notify.VerbUnread, notify.VerbArchive}).Draw(t, "verb")
	want := notify.Mark{Reader: r, Verb: verb, Keep: w.keep}
	var s wire.Selection
	switch rapid.IntRange(0, 3).Draw(t, "which") {
	case 0:
		s.All = true
		want.Through = w.journal.Durable()
	case 1:
		page := listed(t, w.rig, c.by, service.Query{Filter: notify.Filter{State: notify.StateAll}, Limit: 100})
		if len(page.Items) == 0 {
			return
		}
		i := rapid.IntRange(0, len(page.Items)-1).Draw(t, "through")
		s.Through, want.Through = page.Items[i].Cursor, page.Items[i].Sequence
	default:
		s.IDs = []string{"0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"} // of no notification
		for range rapid.IntRange(1, 3).Draw(t, "ids") {
			s.IDs = append(s.IDs, w.anyID(t)) // perhaps of another user's
		}
		want.IDs = s.IDs
	}
	counts, err := w.service.Mark(context.Background(), c.by, verb, s)
	if err != nil {
		t.Fatal(err)
	}
	e := lastEntry[notify.Mark](t, w)
	e.From = notify.MarkPosition{}
	if !reflect.DeepEqual(e, want) {
		t.Fatalf("appended %+v, want %+v", e, want)
	}
	if want := w.model.Counts(r); counts != want {
		t.Fatalf("%s has %+v after %s of %+v, want %+v", c.by.User, counts, verb, s, want)
	}
}

// anyID returns the ID of some notification: kept, deferred, removed, or unknown.
func (w *world) anyID(t *rapid.T) string {
	ids := append([]string{"0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c11"}, w.model.IDs()...)
	for _, i := range w.clients[0].items {
		ids = append(ids, i.ID)
	}
	return rapid.SampledFrom(ids).Draw(t, "id")
}

func (w *world) recallOne(t *rapid.T) {
	id := w.anyID(t)
	was := slices.Contains(w.model.IDs(), id)
	err := w.service.Recall(context.Background(), notify.Principal{}, id)
	if err != nil && !errors.Is(err, notify.ErrNotFound) {
		t.Fatal(err)
	}
	if was != (err == nil) {
		t.Fatalf("recall %s: %v, though it was there: %v", id, err, was)
	}
	if again := w.service.Recall(context.Background(), notify.Principal{}, id); !errors.Is(again, notify.ErrNotFound) {
		t.Fatalf("recall %s a second time: %v", id, again)
	}
}

func (w *world) someone(t *rapid.T, connected bool) *client {
	all := slices.DeleteFunc(slices.Clone(w.clients), func(c *client) bool { return (c.device != nil) != connected })
	if len(all) == 0 {
		return nil
	}
	return drawn(t, all)
}

func drawn(t *rapid.T, from []*client) *client {
	var names []string
	for _, c := range from {
		names = append(names, c.name)
	}
	name := rapid.SampledFrom(names).Draw(t, "device")
	return from[slices.Index(names, name)]
}

func (w *world) lose(t *rapid.T) {
	if c := w.someone(t, true); c != nil {
		c.leave()
	}
}

func (w *world) resume(t *rapid.T) {
	if c := w.someone(t, false); c != nil {
		c.connect(w.rig, w.model)
	}
}

// save has a device save its state, for a later crash.
func (w *world) save(t *rapid.T) {
	if c := w.someone(t, true); c != nil {
		c.saved = c.clone()
	}
}

// crash has a device lose the state that it has not saved.
func (w *world) crash(t *rapid.T) {
	if c := w.someone(t, true); c != nil {
		c.leave()
		c.shown = c.saved.clone()
	}
}

func (w *world) open(t *rapid.T) {
	if c := w.someone(t, false); c != nil {
		c.open(t, w.rig, w.model)
	}
}

// restartWith stops the service, does something and starts it again. The clients
// that were connected resume.
func (w *world) restartWith(between func()) {
	w.stopHub()
	var back []*client
	for _, c := range w.clients {
		if c.device != nil {
			c.leave()
			back = append(back, c)
		}
	}
	w.stop()
	between()
	w.start()
	for _, c := range back {
		c.connect(w.rig, w.model)
	}
	w.runHub()
}
