package store_test

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// model is what the store should be, as simply as it can be said.
type model struct {
	last      notify.Sequence
	kept      map[notify.Sequence]notify.Notification
	histories map[string][]notify.Sequence // by user, "" is everyone
	removed   map[string]notify.Sequence
	keys      map[[32]byte]modelKey
	access    modelAccess
	evicted   []notify.InboxChange // by the last entry
}

type modelKey struct {
	at          time.Time
	fingerprint [32]byte
	receipt     notify.Receipt
}

func newModel() *model {
	return &model{
		kept:      map[notify.Sequence]notify.Notification{},
		histories: map[string][]notify.Sequence{},
		removed:   map[string]notify.Sequence{},
		keys:      map[[32]byte]modelKey{},
		access:    newModelAccess(),
	}
}

func (m *model) apply(at time.Time, e notify.Entry) notify.Verdict {
	m.last++
	m.evicted = nil
	v := notify.Verdict{Sequence: m.last}
	switch e := e.(type) {
	case notify.Publish:
		m.publish(at, e, &v)
	case notify.Sweep:
		m.sweep(at, e)
		m.access.sweep(at)
	case notify.Ticket:
		m.access.tickets[e.Hash] = modelTicket{at, e.Principal}
	case notify.Redemption:
		v.Principal, v.Err = m.access.redeem(at, e)
	case notify.Revocation:
		m.access.revoke(at, e)
	}
	return v
}

func (m *model) publish(at time.Time, e notify.Publish, v *notify.Verdict) {
	v.Receipt = notify.Receipt{ID: e.ID, Recipients: len(e.Users)}
	if e.Key != (notify.Key{}) {
		if k, ok := m.keys[e.Key.Name]; ok && at.Sub(k.at) < notify.KeyLifetime {
			if k.fingerprint != e.Key.Fingerprint {
				v.Receipt, v.Err = notify.Receipt{}, notify.ErrKeyReused
				return
			}
			v.Receipt, v.Receipt.Duplicate = k.receipt, true
			return
		}
		m.keys[e.Key.Name] = modelKey{at, e.Key.Fingerprint, v.Receipt}
	}
	if e.Ephemeral {
		return
	}
	m.kept[m.last] = e.Notification(m.last, at)
	for _, who := range owners(e.Users) {
		m.histories[who] = append(m.histories[who], m.last)
		var dropped []string
		for e.Keep > 0 && len(m.histories[who]) > e.Keep {
			oldest := m.histories[who][0]
			m.histories[who] = m.histories[who][1:]
			n := m.kept[oldest]
			dropped = append(dropped, n.ID())
			if !n.Expired(at) {
				m.removed[who] = max(m.removed[who], oldest)
			}
			if !m.isHeld(oldest) {
				delete(m.kept, oldest)
			}
		}
		if len(dropped) > 0 {
			m.evicted = append(m.evicted, notify.InboxChange{Sequence: m.last, To: readersOf(who), Recalled: dropped, Evicted: true})
		}
	}
}

// readersOf are those who read the history of a user, or of everyone.
func readersOf(who string) notify.Readers {
	if who == "" {
		return notify.Readers{All: true}
	}
	return notify.Readers{Users: []notify.UserID{notify.UserID(who)}}
}

func (m *model) isHeld(seq notify.Sequence) bool {
	for _, h := range m.histories {
		if slices.Contains(h, seq) {
			return true
		}
	}
	return false
}

func owners(users []notify.UserID) []string {
	if len(users) == 0 {
		return []string{""}
	}
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = string(u)
	}
	return names
}

// applySweep removes what has expired, and then what is too old, oldest first, up to
// one that is not. It forgets old keys.
func (m *model) sweep(at time.Time, e notify.Sweep) {
	maps.DeleteFunc(m.keys, func(_ [32]byte, k modelKey) bool { return at.Sub(k.at) >= notify.KeyLifetime })
	for _, seq := range m.inOrder() {
		if n := m.kept[seq]; n.Expired(at) {
			m.remove(n, false)
		}
	}
	for _, seq := range m.inOrder() {
		n := m.kept[seq]
		if at.Sub(n.Time) < e.Retention {
			return
		}
		m.remove(n, true)
	}
}

func (m *model) inOrder() []notify.Sequence {
	return slices.Sorted(maps.Keys(m.kept))
}

func (m *model) remove(n notify.Notification, retention bool) {
	for _, who := range owners(n.Users) {
		i := slices.Index(m.histories[who], n.Sequence)
		if i < 0 {
			continue
		}
		m.histories[who] = slices.Delete(m.histories[who], i, i+1)
		if retention {
			m.removed[who] = max(m.removed[who], n.Sequence)
		}
	}
	delete(m.kept, n.Sequence)
}

// history is what the user and everyone were told after one sequence.
func (m *model) history(user string, after notify.Sequence) []notify.Sequence {
	all := slices.Concat(m.histories[user], m.histories[""])
	slices.Sort(all)
	return slices.DeleteFunc(all, func(s notify.Sequence) bool { return s <= after })
}

// machine drives a store and its model with the same entries.
type machine struct {
	fs    *vfs.MemFS
	store *store.Store
	model *model
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
	if got := m.store.Last(); got != m.model.last {
		t.Fatalf("opened at %d, want %d", got, m.model.last)
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
		return notify.Sweep{Retention: time.Duration(rapid.IntRange(1, 48).Draw(t, "retention")) * time.Hour}
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

// apply applies entries with one time. The clock may have been set back since the last.
func (m *machine) apply(t *rapid.T) {
	m.now = m.now.Add(step(t))
	m.at = latest(m.at, m.now)
	entries := make([]notify.Entry, rapid.IntRange(1, 6).Draw(t, "entries"))
	for i := range entries {
		entries[i] = m.entry(t)
	}
	verdicts, told, err := m.store.Apply(m.model.last+1, notify.Stamp(m.now, entries...))
	if err != nil {
		t.Fatal(err)
	}
	told = slices.DeleteFunc(told, func(c notify.Change) bool { _, ok := c.(notify.Recount); return ok })
	deliveries := 0
	for i, e := range entries {
		want := m.model.apply(m.at, e)
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
		for _, want := range m.model.evicted { // after the notification
			if d := cmp.Diff(notify.Change(want), told[deliveries]); d != "" {
				t.Fatalf("told (-want +got):\n%s", d)
			}
			deliveries++
		}
		if r, ok := e.(notify.Revocation); ok {
			if d := cmp.Diff(notify.Change(r), told[deliveries]); d != "" {
				t.Fatalf("told (-want +got):\n%s", d)
			}
			deliveries++
		}
	}
	if len(told) != deliveries {
		t.Fatalf("%d to deliver, want %d", len(told), deliveries)
	}
}

// checkUsage holds what the store counts while it applies against what there is.
func checkUsage(t *rapid.T, s *store.Store) {
	want, err := s.CountOther()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Usage().Other; got != want {
		t.Fatalf("%d bytes are counted beside the notifications, and there are %d", got, want)
	}
}

// check compares every history, from a place picked at random.
func (m *machine) check(t *rapid.T) {
	m.checkRevoked(t)
	checkUsage(t, m.store)
	after := notify.Sequence(rapid.IntRange(0, int(m.model.last)).Draw(t, "after"))
	limit := rapid.IntRange(1, 10).Draw(t, "limit")
	for _, u := range users {
		var got []notify.Sequence
		for at := after; at < m.model.last; {
			page, err := m.store.History(notify.Reader{User: u}, at, m.model.last, limit)
			if err != nil {
				t.Fatal(err)
			}
			if want := max(m.model.removed[string(u)], m.model.removed[""]); page.Removed != want {
				t.Fatalf("%s: removed up to %d, want %d", u, page.Removed, want)
			}
			for _, n := range page.Notifications {
				got = append(got, n.Sequence)
				if d := cmp.Diff(m.model.kept[n.Sequence], n, cmpopts.IgnoreFields(n, "Users")); d != "" {
					t.Fatalf("notification %d (-want +got):\n%s", n.Sequence, d)
				}
			}
			at = page.End
		}
		if want := m.model.history(string(u), after); !slices.Equal(got, want) {
			t.Fatalf("%s after %d: %v, want %v", u, after, got, want)
		}
	}
}

// TestAgainstModel holds the store against the model under random entries,
// restarts and power cuts.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			fs:    vfs.NewCrashableMem(),
			model: newModel(),
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
				// Nothing that was not synced is sure to be there.
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
