package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// inboxModel is what every reader's inbox should be, as simply as it can be
// said: what was told to whom, and how each user has marked it.
type inboxModel struct {
	told     []*modelTold
	views    map[notify.UserID]map[notify.Sequence]notify.View
	deferred map[notify.Deferred]notify.Publish
	keep     int
}

// modelTold is something told to one owner: "u:ada", "t:team" or "a".
type modelTold struct {
	owner    string
	seq      notify.Sequence
	id, key  string
	time     time.Time
	expires  time.Time
	replaces string
}

func modelOwners(e notify.Publish) (owners []string) {
	for _, u := range e.Users {
		owners = append(owners, "u:"+string(u))
	}
	for _, t := range e.Topics {
		owners = append(owners, "t:"+string(t))
	}
	if e.Audience == notify.AudienceAll {
		owners = append(owners, "a")
	}
	return owners
}

func (m *inboxModel) apply(seq notify.Sequence, at time.Time, e notify.Entry) error {
	switch e := e.(type) {
	case notify.Publish:
		if e.DeliverAt.After(at) {
			m.deferred[notify.Deferred{At: e.DeliverAt, Sequence: seq}] = e
			return nil
		}
		m.publish(seq, at, e)
	case notify.Release:
		if p, ok := m.deferred[e.Ref]; ok && !e.Ref.At.After(at) {
			delete(m.deferred, e.Ref)
			m.publish(seq, at, p)
		}
	case notify.Mark:
		m.mark(at, e)
	case notify.Recall:
		return m.recall(e.ID)
	case notify.Sweep:
		m.told = slices.DeleteFunc(m.told, func(t *modelTold) bool { return t.isExpired(at) })
	}
	return nil
}

func (t *modelTold) isExpired(at time.Time) bool { return !t.expires.IsZero() && !at.Before(t.expires) }

func (m *inboxModel) publish(seq notify.Sequence, at time.Time, e notify.Publish) {
	replaced := map[string]string{} // by owner
	for _, o := range modelOwners(e) {
		i := slices.IndexFunc(m.told, func(t *modelTold) bool { return t.owner == o && t.key == e.CollapseKey && t.key != "" })
		if i < 0 {
			continue
		}
		old := *m.told[i]
		m.told = slices.DeleteFunc(m.told, func(t *modelTold) bool {
			gone := t.id == old.id && (t.owner == o || strings.HasPrefix(o, "t:"))
			if gone && !old.isExpired(at) {
				replaced[t.owner] = cmp.Or(replaced[t.owner], old.id)
			}
			return gone
		})
	}
	for _, o := range modelOwners(e) {
		t := &modelTold{owner: o, seq: seq, id: e.ID, key: e.CollapseKey, time: at, replaces: replaced[o]}
		if e.TTL > 0 {
			t.expires = at.Add(e.TTL)
		}
		m.told = append(m.told, t)
		for m.count(o) > m.keep {
			i := slices.IndexFunc(m.told, func(old *modelTold) bool { return old.owner == o })
			m.told = slices.Delete(m.told, i, i+1)
		}
	}
}

func (m *inboxModel) count(owner string) (n int) {
	for _, t := range m.told {
		if t.owner == owner {
			n++
		}
	}
	return n
}

func (m *inboxModel) recall(id string) error {
	for d, e := range m.deferred {
		if e.ID == id {
			delete(m.deferred, d)
			return nil
		}
	}
	before := len(m.told)
	m.told = slices.DeleteFunc(m.told, func(t *modelTold) bool { return t.id == id })
	if len(m.told) == before {
		return notify.ErrNotFound
	}
	return nil
}

// owner returns what r has, oldest first.
func (m *inboxModel) of(r notify.Reader) (list []*modelTold) {
	for _, t := range m.told {
		topic, isTopic := "", len(t.owner) > 2 && t.owner[:2] == "t:"
		if isTopic {
			topic = t.owner[2:]
		}
		_, heard := notify.Heard(r.Topics, []notify.Topic{notify.Topic(topic)})
		if t.owner == "u:"+string(r.User) || t.owner == "a" && !t.time.Before(r.Since) || isTopic && heard {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *modelTold) int { // of several topics, the first that replaces something
		replaces := func(t *modelTold) int { return min(1, len(t.replaces)) }
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(replaces(b), replaces(a)), cmp.Compare(a.owner, b.owner))
	})
	return slices.CompactFunc(list, func(a, b *modelTold) bool { return a.seq == b.seq })
}

func (m *inboxModel) mark(at time.Time, e notify.Mark) {
	views := m.views[e.Reader.User]
	if views == nil {
		views = map[notify.Sequence]notify.View{}
		m.views[e.Reader.User] = views
	}
	for _, t := range m.of(e.Reader) {
		if e.IDs != nil && (!slices.Contains(e.IDs, t.id) || t.isExpired(at)) || e.IDs == nil && t.seq > e.Through {
			continue
		}
		v := views[t.seq]
		switch {
		case e.Verb == notify.VerbRead && v.Read.IsZero():
			v.Read = at
		case e.Verb == notify.VerbUnread:
			v = notify.View{}
		case e.Verb == notify.VerbArchive && v.Archived.IsZero():
			v.Archived = at
		}
		views[t.seq] = v
	}
}

// inboxMachine drives a store and its model with the same entries.
type inboxMachine struct {
	fs    *vfs.MemFS
	store *store.Store
	model *inboxModel
	last  notify.Sequence
	now   time.Time
	ids   []string
	due   []notify.Deferred
}

var readers = []notify.Reader{
	{User: "ada", Topics: []notify.TopicPattern{"team", "project.*"}},
	{User: "grace", Topics: []notify.TopicPattern{"project.x"}, Since: time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)},
	{User: "eve"},
	{User: "ada", Topics: []notify.TopicPattern{"team"}, Since: time.Date(2026, 12, 1, 11, 0, 0, 0, time.UTC)}, // another token
	{User: "ada", Topics: []notify.TopicPattern{"project.y.*", "project.x", "a.*"}},
	{User: "ada", Topics: []notify.TopicPattern{"project.y.z", "a.b.c.d.e.f.g.h.i.*", "a.b.c.d.e.f.g.h.i.j.k"}}, // long ones
}

var topics = []notify.Topic{"team", "project.x", "project.y.z", "project.y.w", "else", "a.b.c.d.e.f.g.h.i.j", "a.b.c.d.e.f.g.h.i.j.k", "a.b."}

func (m *inboxMachine) open(t *rapid.T) {
	var err error
	m.store, err = store.Open("data", store.Options{
		FS: m.fs, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Fatal(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	m.store.SetMarkMost(2)
}

func (m *inboxMachine) entry(t *rapid.T, seq notify.Sequence) notify.Entry {
	switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case kind < 5:
		return m.publish(t, seq)
	case kind < 7:
		mark := notify.Mark{Reader: rapid.SampledFrom(readers).Draw(t, "reader"), Keep: 1000}
		mark.Verb = rapid.SampledFrom([]notify.Verb{notify.VerbRead, notify.VerbUnread, notify.VerbArchive}).Draw(t, "verb")
		if len(m.ids) > 0 && rapid.Bool().Draw(t, "by id") {
			mark.IDs = rapid.SliceOfN(rapid.SampledFrom(m.ids), 1, 3).Draw(t, "ids")
		} else {
			mark.Through = notify.Sequence(rapid.IntRange(1, int(seq)).Draw(t, "through"))
		}
		return mark
	case kind == 7 && len(m.ids) > 0:
		return notify.Recall{ID: rapid.SampledFrom(m.ids).Draw(t, "recalled"), Keep: 1000}
	case kind == 8 && len(m.due) > 0:
		return notify.Release{Ref: rapid.SampledFrom(m.due).Draw(t, "released")}
	}
	return notify.Sweep{Retention: 1000 * time.Hour}
}

func (m *inboxMachine) publish(t *rapid.T, seq notify.Sequence) notify.Publish {
	id := fmt.Sprintf("00000000-0000-7000-8000-%012d", seq)
	e := notify.Publish{ID: id, Content: []byte(`"id":"` + id + `","type":"t"`), Keep: m.model.keep}
	switch rapid.IntRange(0, 2).Draw(t, "audience") {
	case 0:
		e.Audience = notify.AudienceUser
		e.Users = rapid.SliceOfNDistinct(rapid.SampledFrom([]notify.UserID{"ada", "grace", "eve"}), 1, 3, rapid.ID).Draw(t, "users")
	case 1:
		e.Audience = notify.AudienceTopic
		e.Topics = rapid.SliceOfNDistinct(rapid.SampledFrom(topics), 1, 3, rapid.ID).Draw(t, "topics")
	default:
		e.Audience = notify.AudienceAll
	}
	if rapid.Bool().Draw(t, "collapses") {
		e.CollapseKey = rapid.SampledFrom([]string{"k", "l"}).Draw(t, "key")
	}
	if rapid.IntRange(0, 2).Draw(t, "expires") == 0 {
		e.TTL = time.Duration(rapid.IntRange(1, 3).Draw(t, "ttl")) * time.Hour
	}
	if rapid.IntRange(0, 5).Draw(t, "defers") == 0 {
		e.DeliverAt = m.now.Add(time.Hour)
		m.due = append(m.due, notify.Deferred{At: e.DeliverAt, Sequence: seq})
	}
	m.ids = append(m.ids, id)
	return e
}

func (m *inboxMachine) apply(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
	var entries []notify.Entry
	for i := range rapid.IntRange(1, 5).Draw(t, "entries") {
		e := m.entry(t, m.last+1+notify.Sequence(i))
		entries = append(entries, e)
		if mark, ok := e.(notify.Mark); ok && mark.IDs == nil {
			break // it may have to go on
		}
	}
	verdicts, _, err := m.store.Apply(m.last+1, notify.Stamp(m.now, entries...))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		m.last++
		if want := m.model.apply(m.last, m.now, e); !errors.Is(verdicts[i].Err, want) {
			t.Fatalf("%T: %v, want %v", e, verdicts[i].Err, want)
		}
	}
	for v, last := verdicts[len(verdicts)-1], entries[len(entries)-1]; v.More; v = verdicts[0] {
		if mark, ok := last.(notify.Mark); ok {
			mark.From = v.Next
			last = mark
		}
		m.last++
		if verdicts, _, err = m.store.Apply(m.last, notify.Stamp(m.now, last)); err != nil {
			t.Fatal(err)
		}
	}
}

// sweepTightly sweeps with the least limit that still holds all notifications, so that
// what can be forgotten beside them is.
func (m *inboxMachine) sweepTightly(t *rapid.T) {
	e := notify.Sweep{Retention: 1000 * time.Hour, MaxBytes: int64(2*m.store.Usage().Notifications + 1)}
	m.last++
	if _, _, err := m.store.Apply(m.last, notify.Stamp(m.now, e)); err != nil {
		t.Fatal(err)
	}
	_ = m.model.apply(m.last, m.now, e)
}

func (m *inboxMachine) check(t *rapid.T) {
	checkUsage(t, m.store)
	for _, r := range readers {
		var all, history []notify.Notification
		unread := 0
		for _, told := range m.model.of(r) {
			n := notify.Notification{Sequence: told.seq, View: m.model.views[r.User][told.seq]}
			n.Replaces = told.replaces
			if history = append(history, n); n.Unread() {
				unread++
			}
			if !told.isExpired(m.now) {
				all = append(all, n)
			}
		}
		slices.Reverse(all)
		m.checkList(t, r, all)
		if got, err := m.store.Unread(r, m.last); err != nil || got != unread {
			t.Fatalf("%s has %d unread, want %d (%v)", r.User, got, unread, err)
		}
		page, err := m.store.History(r, 0, m.last, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(history, page.Notifications, asFound, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("history of %s (-want +got):\n%s", r.User, d)
		}
	}
}

// asFound compares places and views alone.
var asFound = gocmp.Comparer(func(a, b notify.Notification) bool {
	a.View.Topic, b.View.Topic = "", ""
	return a.Sequence == b.Sequence && a.View == b.View
})

// checkList reads the inbox in pages.
func (m *inboxMachine) checkList(t *rapid.T, r notify.Reader, want []notify.Notification) {
	states := []notify.InboxState{notify.StateAll, notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived}
	for _, state := range rapid.Permutation(states).Draw(t, "states")[:2] {
		var got []notify.Notification
		for before, more := notify.Sequence(0), true; more; {
			list, err := m.store.List(r, before, m.last, state, 2, m.now)
			if err != nil {
				t.Fatal(err)
			}
			got, before, more = append(got, list.Notifications...), list.Next, list.Next > 0
		}
		in := slices.DeleteFunc(slices.Clone(want), func(n notify.Notification) bool { return !state.Has(&n.View) })
		if d := gocmp.Diff(in, got, asFound, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%q of %s (-want +got):\n%s", state, r.User, d)
		}
	}
}

// TestInboxAgainstModel holds inboxes against the model under random publishes,
// marks, recalls, releases, sweeps and restarts.
func TestInboxAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &inboxMachine{fs: vfs.NewMem(), now: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}
		m.model = &inboxModel{
			views: map[notify.UserID]map[notify.Sequence]notify.View{}, deferred: map[notify.Deferred]notify.Publish{}, keep: 4,
		}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"apply":  m.apply,
			"apply2": m.apply,
			"apply3": m.apply,
			"sweep":  m.sweepTightly,
			"restart": func(t *rapid.T) {
				if err := m.store.Close(); err != nil {
					t.Fatal(err)
				}
				m.open(t)
			},
			"": m.check,
		})
		if err := m.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
