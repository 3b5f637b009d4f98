package store_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// grouping is a store that applies entries in transactions of any size, with their verdicts
// and changes.
type grouping struct {
	fs       *vfs.MemFS
	dir      string // empty: "data"
	store    *store.Store
	verdicts []notify.Verdict
	changes  []notify.Change
}

func (g *grouping) open(t *rapid.T) {
	var err error
	g.store, err = store.Open(cmp.Or(g.dir, "data"), store.Options{
		FS: g.fs, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Fatal(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	g.store.SetMaxMarkChanges(2)
}

func (g *grouping) apply(t *rapid.T, first notify.Sequence, at time.Time, entries []notify.Entry) {
	g.applyStamped(t, first, notify.Stamp(at, entries...))
}

func (g *grouping) applyStamped(t *rapid.T, first notify.Sequence, entries []notify.Stamped) {
	verdicts, changes, err := g.store.Apply(first, entries)
	if err != nil {
		t.Fatal(err)
	}
	g.verdicts, g.changes = append(g.verdicts, verdicts...), append(g.changes, changes...)
}

// groupEntry returns an entry of any kind, with limits so low that they are reached.
func groupEntry(t *rapid.T, m *inboxMachine, seq notify.Sequence) notify.Entry {
	const limit = 3_000
	switch rapid.IntRange(0, 9).Draw(t, "group entry") {
	case 0:
		return notify.Cleanup{Retention: time.Duration(rapid.IntRange(1, 9).Draw(t, "retention")) * time.Hour, MaxBytes: limit}
	case 1:
		return (&machine{now: m.now}).accessEntry(t)
	}
	e := m.entry(t, seq)
	if p, ok := e.(notify.Publish); ok {
		p.MaxBytes = limit
		if rapid.Bool().Draw(t, "keyed") {
			p.Key.Name[0] = byte(rapid.IntRange(1, 40).Draw(t, "key"))
		}
		return p
	}
	return e
}

// journalled generates entries with their times. Its store applies them one by one, without a
// restart.
type journalled struct {
	*inboxMachine
	grouping
	entries []notify.Stamped
	rest    notify.Entry // continues a Mark or Cleanup that has more to do; nil: none
}

// next appends an entry of any kind, at any time, and applies it.
func (j *journalled) next(t *rapid.T) {
	j.now = j.now.Add(rapid.SampledFrom(jumps).Draw(t, "passed"))
	seq := j.last + 1
	var e notify.Entry
	switch kind := rapid.IntRange(0, 24).Draw(t, "of all kinds"); {
	case kind < 4 && j.rest != nil:
		e = j.rest
	case kind == 4:
		e = notify.Generation{ID: uint64(seq), Secret: [16]byte{byte(seq)}, Rules: uint32(rapid.IntRange(0, notify.RulesVersion).Draw(t, "rules"))}
	case kind == 5:
		invalid := invalidEntries()
		e = invalid[rapid.SampledFrom(slices.Sorted(maps.Keys(invalid))).Draw(t, "invalid")]
	case kind == 6:
		p := j.publish(t, seq)
		p.Ephemeral = true
		e = p
	default:
		e = groupEntry(t, j.inboxMachine, seq)
	}
	at := j.now
	if rapid.IntRange(0, 9).Draw(t, "set back") == 0 { // a journal never does this; the store must not depend on it
		at = at.Add(-time.Hour)
	}
	stamped := notify.Stamped{Entry: e, Time: at}
	j.entries, j.last = append(j.entries, stamped), seq
	j.applyStamped(t, seq, []notify.Stamped{stamped})
	v := j.verdicts[len(j.verdicts)-1]
	if v.More {
		if mark, ok := e.(notify.Mark); ok {
			mark.From = v.Next
			e = mark
		}
		j.rest = e
	}
}

// jumps are the times between entries: zero, short times, and each lifetime, or one
// millisecond less.
var jumps = []time.Duration{
	0, 0, 0, 0, 0, time.Millisecond, time.Microsecond, time.Minute, 20 * time.Minute, time.Hour, time.Hour, 3 * time.Hour,
	notify.TicketLifetime - time.Millisecond, notify.TicketLifetime, notify.KeyLifetime - time.Millisecond, notify.KeyLifetime,
	31 * 24 * time.Hour, notify.MaxTokenLifetime,
}

// replay applies entries in groups of any size. Some groups are decoded from a message, and
// there are restarts and power cuts between groups.
func (g *grouping) replay(t *rapid.T, entries []notify.Stamped) {
	first := notify.Sequence(1)
	for len(entries) > 0 {
		n := rapid.IntRange(1, len(entries)).Draw(t, "group")
		group := entries[:n]
		if rapid.Bool().Draw(t, "encoded") && !hasInvalid(group) {
			group = decoded(group)
		}
		g.applyStamped(t, first, group)
		first, entries = first+notify.Sequence(n), entries[n:]
		switch rapid.IntRange(0, 3).Draw(t, "then") {
		case 0:
			g.close(t)
			g.open(t)
		case 1: // all data that was not synced is lost
			after := g.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(1, 2))})
			g.close(t)
			g.fs = after
			g.open(t)
		}
	}
}

// decoded returns a group after encoding it into a message and decoding that.
func decoded(group []notify.Stamped) []notify.Stamped {
	entries := make([]notify.Entry, len(group))
	for i, e := range group {
		entries[i] = e.Entry
	}
	again := make([]notify.Stamped, len(group))
	for i, e := range entry.DecodeMessage(entry.AppendMessage(nil, entries)) {
		again[i] = notify.Stamped{Entry: e, Time: group[i].Time}
	}
	return again
}

// hasInvalid reports whether a group has an invalid entry. Encoding and decoding turns it into
// another one: both are refused, but for different reasons.
func hasInvalid(group []notify.Stamped) bool {
	return slices.ContainsFunc(group, func(e notify.Stamped) bool { return notify.Validate(e.Entry) != nil })
}

func (g *grouping) close(t *rapid.T) {
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTheSameEntriesMakeTheSameStore applies the same entries with the same sequences and
// times one by one, all together, and in any groups with any restarts and power cuts in
// between. All keys and values, verdicts and changes are the same. Two things that a node
// stores are not compared: the identity of the store, which is random, and the watermark,
// which is a separate file.
func TestTheSameEntriesMakeTheSameStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alone := &journalled{inboxMachine: &inboxMachine{now: noon(), keep: 4}, grouping: grouping{fs: vfs.NewMem()}}
		together, grouped := &grouping{fs: vfs.NewMem()}, &grouping{fs: vfs.NewCrashableMem()}
		all := []*grouping{&alone.grouping, together, grouped}
		for _, g := range all {
			g.open(t)
		}
		for range rapid.IntRange(1, 60).Draw(t, "entries") {
			alone.next(t)
		}
		together.applyStamped(t, 1, alone.entries)
		grouped.replay(t, alone.entries)
		want := dump(t, alone.grouping.store)
		for name, g := range map[string]*grouping{"together": together, "grouped": grouped} {
			checkUsage(t, g.store)
			if d := gocmp.Diff(alone.verdicts, g.verdicts, gocmp.Comparer(sameIssuer), gocmp.Comparer(sameError)); d != "" {
				t.Fatalf("verdicts (-alone +%s):\n%s", name, d)
			}
			if d := gocmp.Diff(alone.changes, g.changes); d != "" {
				t.Fatalf("changes (-alone +%s):\n%s", name, d)
			}
			if d := gocmp.Diff(want, dump(t, g.store)); d != "" {
				t.Fatalf("keys (-alone +%s):\n%s", name, d)
			}
		}
		for _, g := range all {
			g.close(t)
		}
	})
}

func sameError(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// dumpOf is dump for tests without rapid.
func dumpOf(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	all, err := s.Dump()
	require.NoError(t, err)
	return all
}

// dump returns all keys and values of a store, except its identity.
func dump(t *rapid.T, s *store.Store) map[string]string {
	all, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
