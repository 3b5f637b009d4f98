package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/model"
)

// inboxMachine drives a store and its model with the same entries.
type inboxMachine struct {
	fs    *vfs.MemFS
	store *store.Store
	model *model.Model
	keep  int // maximum of notifications in a history
	last  notify.Sequence
	now   time.Time
	ids   []string
	due   []notify.Deferred
}

var readers = []notify.Reader{
	{User: "ada", Topics: []notify.TopicPattern{"team", "project.*"}},
	{User: "grace", Topics: []notify.TopicPattern{"project.x"}, Since: time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)},
	{User: "eve"},
	{User: "ada", Topics: []notify.TopicPattern{"team"}, Since: time.Date(2026, 12, 1, 11, 0, 0, 0, time.UTC)}, // another token of ada
	{User: "ada", Topics: []notify.TopicPattern{"project.y.*", "project.x", "a.*"}},
	{User: "ada", Topics: []notify.TopicPattern{"project.y.z", "a.b.c.d.e.f.g.h.i.*", "a.b.c.d.e.f.g.h.i.j.k"}}, // longer than patterns with a history
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
	m.store.SetMaxMarkChanges(2)
}

func (m *inboxMachine) entry(t *rapid.T, seq notify.Sequence) notify.Entry {
	switch kind := rapid.IntRange(0, 14).Draw(t, "kind"); {
	case kind < 5:
		return m.publish(t, seq)
	case kind < 7:
		mark := notify.Mark{Reader: rapid.SampledFrom(readers).Draw(t, "reader"), Keep: 1000}
		mark.Verb = rapid.SampledFrom([]notify.Verb{notify.VerbSeen, notify.VerbRead, notify.VerbUnread, notify.VerbArchive}).Draw(t, "verb")
		if len(m.ids) > 0 && rapid.Bool().Draw(t, "by id") {
			mark.IDs = rapid.SliceOfN(rapid.SampledFrom(m.ids), 1, 3).Draw(t, "ids")
		} else {
			mark.Through = notify.Sequence(rapid.IntRange(1, int(seq)).Draw(t, "through"))
		}
		return mark
	case kind == 7 && len(m.ids) > 0:
		return notify.Recall{ID: rapid.SampledFrom(m.ids).Draw(t, "recalled"), Keep: 1000}
	case kind > 12:
		return preferences(t)
	case kind == 11:
		return notify.Erase{User: rapid.SampledFrom([]notify.UserID{"ada", "grace", "eve"}).Draw(t, "erased")}
	case kind == 12:
		at := notify.Sequence(rapid.IntRange(1, int(seq)).Draw(t, "delivered"))
		return notify.Delivered{Deliveries: []notify.Delivery{{User: "ada", Sequence: at}, {User: "grace", Sequence: at}}}
	case kind == 9:
		return m.membership(t)
	case kind == 8 && len(m.due) > 0:
		return notify.Release{Ref: rapid.SampledFrom(m.due).Draw(t, "released")}
	}
	return notify.Cleanup{Retention: 1000 * time.Hour}
}

func (m *inboxMachine) publish(t *rapid.T, seq notify.Sequence) notify.Publish {
	id := fmt.Sprintf("00000000-0000-7000-8000-%012d", seq)
	name := rapid.SampledFrom([]string{"comment", "comment.created", "comment.deleted", "comments", "mention"}).Draw(t, "type")
	priority := rapid.SampledFrom([]string{"low", "normal", "high"}).Draw(t, "priority")
	e := notify.Publish{ID: id, Content: []byte(`"id":"` + id + `","type":"` + name + `","priority":"` + priority + `"`), Keep: m.keep}
	e.Receipt = rapid.IntRange(0, 2).Draw(t, "receipt") == 0
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
	if e.Audience != notify.AudienceUser && rapid.IntRange(0, 2).Draw(t, "leaves out") == 0 {
		e.Except = rapid.SliceOfNDistinct(rapid.SampledFrom([]notify.UserID{"ada", "grace", "eve"}), 1, 2, rapid.ID).Draw(t, "except")
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
			break // it may have to continue, before any other entry
		}
	}
	verdicts, _, err := m.store.Apply(m.last+1, notify.Stamp(m.now, entries...))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		m.last++
		want := m.model.Apply(m.last, m.now, e)
		if !errors.Is(verdicts[i].Err, want.Err) || verdicts[i].Added != want.Added || verdicts[i].Removed != want.Removed {
			t.Fatalf("%T: verdict %+v, want %+v", e, verdicts[i], want)
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

// cleanUpTightly applies a Cleanup with the lowest limit that keeps all notifications, so that
// all other records that can be removed are removed.
func (m *inboxMachine) cleanUpTightly(t *rapid.T) {
	e := notify.Cleanup{Retention: 1000 * time.Hour, MaxBytes: int64(2*m.store.Usage().Notifications + 1)}
	m.last++
	if _, _, err := m.store.Apply(m.last, notify.Stamp(m.now, e)); err != nil {
		t.Fatal(err)
	}
	m.model.Apply(m.last, m.now, e)
}

func (m *inboxMachine) check(t *rapid.T) {
	checkUsage(t, m.store)
	m.checkFate(t)
	m.checkMembers(t)
	for _, r := range readers {
		var all, history []notify.Notification
		for _, it := range m.model.Inbox(r) {
			n := it.Notification
			history = append(history, n)
			if !n.Expired(m.now) {
				all = append(all, n)
			}
		}
		slices.Reverse(all)
		m.checkList(t, r, all)
		m.checkCounts(t, r)
		if got, err := m.store.Counts(r, m.last); err != nil || got != m.model.Counts(r) {
			t.Fatalf("%s has %+v, want %+v (%v)", r.User, got, m.model.Counts(r), err)
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

// asFound compares sequences and views only.
var asFound = gocmp.Comparer(func(a, b notify.Notification) bool {
	a.View.Topic, b.View.Topic = "", ""
	return a.Sequence == b.Sequence && a.View == b.View
})

// checkList reads the inbox in pages.
func (m *inboxMachine) checkList(t *rapid.T, r notify.Reader, want []notify.Notification) {
	states := []notify.InboxState{notify.StateAll, notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived}
	for _, state := range rapid.Permutation(states).Draw(t, "states")[:2] {
		f := filter(t)
		f.State = state
		var got []notify.Notification
		for before, more := notify.Sequence(0), true; more; {
			list, err := m.store.List(r, before, m.last, &f, 2, m.now)
			if err != nil {
				t.Fatal(err)
			}
			got, before, more = append(got, list.Notifications...), list.Next, list.Next > 0
		}
		in := slices.DeleteFunc(slices.Clone(want), func(n notify.Notification) bool { return !m.model.Matches(r, &f, &n) })
		if d := gocmp.Diff(in, got, asFound, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("list %+v of %s (-want +got):\n%s", f, r.User, d)
		}
	}
}

// filter returns a filter, which often selects everything.
func filter(t *rapid.T) (f notify.Filter) {
	if rapid.Bool().Draw(t, "all") {
		return f
	}
	types := rapid.SampledFrom([]notify.TypePattern{"comment", "comment.*", "comment.created", "mention", "nothing"})
	topics := rapid.SampledFrom([]notify.TopicPattern{"team", "project.*", "project.x", "project.y.*", "else", "a.b.*"})
	priorities := rapid.SampledFrom([]notify.Priority{notify.PriorityLow, notify.PriorityNormal, notify.PriorityHigh})
	f.Types = rapid.SliceOfN(types, 0, 2).Draw(t, "types")
	f.Topics = rapid.SliceOfN(topics, 0, 2).Draw(t, "topics")
	f.Priorities = rapid.SliceOfN(priorities, 0, 2).Draw(t, "priorities")
	return f
}

// checkCounts compares the counts of a filter.
func (m *inboxMachine) checkCounts(t *rapid.T, r notify.Reader) {
	f := filter(t)
	by := rapid.SampledFrom([]notify.Grouping{notify.ByNothing, notify.ByType, notify.ByTopic, notify.ByPriority}).Draw(t, "by")
	got, err := m.store.CountMatching(r, m.last, &f, by)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(m.model.CountMatching(r, &f, by), got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("counts %+v by %q of %s (-want +got):\n%s", f, by, r.User, d)
	}
}

// TestInboxAgainstModel compares inboxes with the model after random publishes, marks, recalls,
// releases, cleanups and restarts.
func TestInboxAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &inboxMachine{
			fs: vfs.NewMem(), now: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), model: model.New(), keep: 4,
		}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"apply":   m.apply,
			"apply2":  m.apply,
			"apply3":  m.apply,
			"cleanup": m.cleanUpTightly,
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
