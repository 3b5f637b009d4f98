package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/model"
)

// An erasure takes several entries, and any other entries are applied between them. Others keep their
// inboxes. The erased user has what was published after it, or nothing of it: everything that is
// counted is listed and can be recalled.
func TestAnErasureWithOtherEntriesInBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &inboxMachine{fs: vfs.NewMem(), now: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), model: model.New()}
		m.open(t)
		m.store.SetWalkBudget(rapid.IntRange(1, 60).Draw(t, "budget"))
		for range rapid.IntRange(0, 15).Draw(t, "before") {
			m.applyOther(t)
		}
		erase := notify.Erase{User: "ada"}
		m.model.Apply(m.last+1, m.now, erase)
		for more := true; more; {
			v := m.applyOne(t, erase)
			erase.From, more = v.Rest, v.More
			for range rapid.IntRange(0, 2).Draw(t, "in between") {
				m.applyOther(t)
			}
		}
		for _, r := range readers {
			m.checkCounted(t, r)
			if r.User == "ada" {
				continue
			}
			var want []notify.Sequence
			for _, it := range m.model.List(r, &notify.Filter{State: notify.StateAll}, m.now) {
				want = append(want, it.Sequence)
			}
			if got := sequences(m.listed(t, r)); !slices.Equal(got, want) {
				t.Fatalf("%s has %v, want %v", r.User, got, want)
			}
		}
		for _, id := range m.ids {
			m.applyOne(t, notify.Recall{ID: id, Keep: 1000})
		}
		for _, r := range readers {
			if left := m.listed(t, r); len(left) > 0 {
				t.Fatalf("%s has %v after all were recalled", r.User, sequences(left))
			}
			m.checkCounted(t, r)
		}
		checkUsage(t, m.store)
		if err := m.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// applyOther applies a random entry that is no Erase, to the store and to the model.
func (m *inboxMachine) applyOther(t *rapid.T) {
	e := m.entry(t, m.last+1)
	switch other := e.(type) {
	case notify.Erase:
		return
	case notify.Mark:
		if other.IDs == nil { // which may take several entries
			return
		}
	case notify.Publish:
		other.By = rapid.SampledFrom([]string{"key:backend", "user:ada"}).Draw(t, "by")
		e = other
	}
	m.applyOne(t, e)
	m.model.Apply(m.last, m.now, e)
}

func (m *inboxMachine) applyOne(t *rapid.T, e notify.Entry) notify.Verdict {
	m.last++
	verdicts, _, err := m.store.Apply(m.last, notify.Stamp(m.now, e))
	if err != nil {
		t.Fatal(err)
	}
	return verdicts[0]
}

// listed returns all notifications of a reader, expired ones too, newest first.
func (m *inboxMachine) listed(t *rapid.T, r notify.Reader) []notify.Notification {
	list, err := m.store.List(r, 0, m.last, &notify.Filter{State: notify.StateAll}, 1000, m.now)
	if err != nil {
		t.Fatal(err)
	}
	return list.Notifications
}

// checkCounted checks that the counts of a reader are those of what is listed.
func (m *inboxMachine) checkCounted(t *rapid.T, r notify.Reader) {
	var want notify.Counts
	for _, n := range m.listed(t, r) {
		if n.Unread() {
			want.Unread++
		}
		if n.Seen.IsZero() {
			want.Unseen++
		}
	}
	if got, err := m.store.Counts(r, m.last); err != nil || got != want {
		t.Fatalf("%s has %+v, and %+v are listed (%v)", r.User, got, want, err)
	}
}

func sequences(all []notify.Notification) (seqs []notify.Sequence) {
	for _, n := range all {
		seqs = append(seqs, n.Sequence)
	}
	return seqs
}
