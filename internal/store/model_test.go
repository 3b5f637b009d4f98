package store_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/model"
)

// machine drives a store and its model with the same entries.
type machine struct {
	fs    *vfs.MemFS
	store *store.Store
	model *model.Model
	last  notify.Sequence
	now   time.Time
	at    time.Time // of the last entry
	ids   int
}

func (m *machine) open(t *rapid.T) {
	var err error
	m.store, err = store.Open("data", store.Options{
		FS:     m.fs,
		Logger: slog.New(slog.DiscardHandler),
		Fatal:  func(err error) { t.Fatal(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.store.Last(); got != m.last {
		t.Fatalf("opened at %d, want %d", got, m.last)
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

var users = []notify.UserID{"a", "aa", "b", "\u00e9", "a/b"}

func (m *machine) entry(t *rapid.T) notify.Entry {
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 10, 11, 12:
		return m.accessEntry(t)
	case 0:
		return notify.Cleanup{Retention: time.Duration(rapid.IntRange(1, 48).Draw(t, "retention")) * time.Hour}
	}
	m.ids++
	e := notify.Publish{
		ID:      fmt.Sprintf("id-%d", m.ids),
		Users:   rapid.SliceOfNDistinct(rapid.SampledFrom(users), 0, len(users), rapid.ID).Draw(t, "users"),
		Content: []byte(fmt.Sprintf(`"id":"id-%d"`, m.ids)),
		Keep:    rapid.IntRange(2, 5).Draw(t, "keep"),
	}
	e.Audience = notify.AudienceUser
	if len(e.Users) == 0 {
		e.Audience = notify.AudienceAll
	}
	if rapid.Bool().Draw(t, "expires") {
		e.TTL = time.Duration(rapid.IntRange(1, 20).Draw(t, "ttl")) * time.Hour
	}
	e.Ephemeral = rapid.IntRange(0, 9).Draw(t, "ephemeral") == 0
	if rapid.Bool().Draw(t, "keyed") {
		e.Key.Name[0] = byte(rapid.IntRange(1, 5).Draw(t, "key"))
		e.Key.Fingerprint[0] = byte(rapid.IntRange(0, 3).Draw(t, "fingerprint") / 3)
	}
	return e
}

// apply applies entries with one time, which may be before that of the last entry.
func (m *machine) apply(t *rapid.T) {
	m.now = m.now.Add(step(t))
	m.at = latest(m.at, m.now)
	entries := make([]notify.Entry, rapid.IntRange(1, 6).Draw(t, "entries"))
	for i := range entries {
		entries[i] = m.entry(t)
	}
	verdicts, changes, err := m.store.Apply(m.last+1, notify.Stamp(m.now, entries...))
	if err != nil {
		t.Fatal(err)
	}
	changes = slices.DeleteFunc(changes, func(c notify.Change) bool { _, ok := c.(notify.Recount); return ok })
	deliveries := 0
	for i, e := range entries {
		m.last++
		evicted := len(m.model.Evictions())
		want := m.model.Apply(m.last, m.at, e)
		got := verdicts[i]
		if (got.Err == nil) != (want.Err == nil) {
			t.Fatalf("entry %d: error %v, want %v", got.Sequence, got.Err, want.Err)
		}
		got.Err, want.Err, got.More = nil, nil, false
		if d := cmp.Diff(want, got, cmp.Comparer(sameIssuer)); d != "" {
			t.Fatalf("verdict (-want +got):\n%s", d)
		}
		if _, publish := e.(notify.Publish); publish && want.Receipt.ID != "" && !want.Receipt.Duplicate {
			deliveries++
		}
		for _, want := range evictionsOf(m.model.Evictions()[evicted:]) { // after the notification
			if d := cmp.Diff(notify.Change(want), changes[deliveries]); d != "" {
				t.Fatalf("change (-want +got):\n%s", d)
			}
			deliveries++
		}
		if r, ok := e.(notify.Revocation); ok {
			if d := cmp.Diff(notify.Change(r), changes[deliveries]); d != "" {
				t.Fatalf("change (-want +got):\n%s", d)
			}
			deliveries++
		}
	}
	if len(changes) != deliveries {
		t.Fatalf("%d changes, want %d", len(changes), deliveries)
	}
}

// checkUsage compares the usage that the store counts while it applies entries with the size of
// its records.
func checkUsage(t *rapid.T, s *store.Store) {
	want, err := s.CountOther()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Usage().Other; got != want {
		t.Fatalf("usage without notifications is %d bytes, and the records have %d", got, want)
	}
}

// check compares every history after a random sequence.
func (m *machine) check(t *rapid.T) {
	m.checkRevoked(t)
	checkUsage(t, m.store)
	after := notify.Sequence(rapid.IntRange(0, int(m.last)).Draw(t, "after"))
	limit := rapid.IntRange(1, 10).Draw(t, "limit")
	for _, u := range users {
		r := notify.Reader{User: u}
		var got, want []notify.Notification
		for _, n := range m.model.Inbox(r) {
			if n.Sequence > after {
				want = append(want, n.Notification)
			}
		}
		for at := after; at < m.last; {
			page, err := m.store.History(r, at, m.last, limit)
			if err != nil {
				t.Fatal(err)
			}
			if want := m.model.Removed(r); page.Removed != want {
				t.Fatalf("%s: removed up to %d, want %d", u, page.Removed, want)
			}
			got = append(got, page.Notifications...)
			at = page.End
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(notify.Notification{}, "Users"), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%s after %d (-want +got):\n%s", u, after, d)
		}
	}
}

// evictionsOf returns the changes that announce the evictions by one entry: one for each
// history.
func evictionsOf(all []model.Eviction) (changes []notify.InboxChange) {
	for i, e := range all {
		if i == 0 || e.Owner != all[i-1].Owner {
			to := notify.Readers{All: e.Owner == "a"}
			if u, ok := strings.CutPrefix(e.Owner, "u:"); ok {
				to.Users = []notify.UserID{notify.UserID(u)}
			}
			changes = append(changes, notify.InboxChange{Sequence: e.By, To: to, Evicted: true})
		}
		c := &changes[len(changes)-1]
		c.Recalled = append(c.Recalled, e.ID)
	}
	return changes
}

// TestAgainstModel compares the store with the model after random entries, restarts and power
// cuts.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			fs:    vfs.NewCrashableMem(),
			model: model.New(),
			now:   time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC),
		}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"apply":  m.apply,
			"apply2": m.apply,
			"apply3": m.apply,
			"restart": func(t *rapid.T) {
				if err := m.store.Close(); err != nil {
					t.Fatal(err)
				}
				m.open(t)
			},
			"power cut": func(t *rapid.T) {
				// All data that was not synced is lost.
				after := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(1, 2))})
				if err := m.store.Close(); err != nil {
					t.Fatal(err)
				}
				m.fs = after
				m.open(t)
			},
			"": m.check,
		})
		if err := m.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
