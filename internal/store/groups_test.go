package store_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// grouping is a store that applies entries in groups of some size.
type grouping struct {
	fs       *vfs.MemFS
	dir      string // data, if empty
	store    *store.Store
	verdicts []notify.Verdict
	told     []notify.Change
}

func (g *grouping) open(t *rapid.T) {
	var err error
	g.store, err = store.Open(cmp.Or(g.dir, "data"), store.Options{
		FS: g.fs, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Fatal(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	g.store.SetMarkMost(2)
}

func (g *grouping) apply(t *rapid.T, first notify.Sequence, at time.Time, entries []notify.Entry) {
	verdicts, told, err := g.store.Apply(first, notify.Stamp(at, entries...))
	if err != nil {
		t.Fatal(err)
	}
	g.verdicts, g.told = append(g.verdicts, verdicts...), append(g.told, told...)
}

// groupEntry returns an entry of any kind, bounded so tightly that limits are reached.
func groupEntry(t *rapid.T, m *inboxMachine, seq notify.Sequence) notify.Entry {
	const limit = 3_000
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		return notify.Sweep{Retention: time.Duration(rapid.IntRange(1, 9).Draw(t, "retention")) * time.Hour, MaxBytes: limit}
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

// TestGroupsDecideNothing applies the same entries in groups of several sizes, with
// and without what earlier ones have left in memory. All come to the same.
func TestGroupsDecideNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &inboxMachine{now: noon(), keep: 4}
		together, alone, fresh := &grouping{fs: vfs.NewMem()}, &grouping{fs: vfs.NewMem()}, &grouping{fs: vfs.NewMem()}
		all := []*grouping{together, alone, fresh}
		for _, g := range all {
			g.open(t)
		}
		for range rapid.IntRange(1, 12).Draw(t, "groups") {
			m.now = m.now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "minutes")) * time.Minute)
			entries := make([]notify.Entry, rapid.IntRange(1, 9).Draw(t, "entries"))
			for i := range entries {
				entries[i] = groupEntry(t, m, m.last+1+notify.Sequence(i))
			}
			together.apply(t, m.last+1, m.now, entries)
			cut := rapid.IntRange(0, len(entries)).Draw(t, "cut")
			fresh.apply(t, m.last+1, m.now, entries[:cut])
			if err := fresh.store.Close(); err != nil {
				t.Fatal(err)
			}
			fresh.open(t)
			fresh.apply(t, m.last+1+notify.Sequence(cut), m.now, entries[cut:])
			for i := range entries {
				m.last++
				alone.apply(t, m.last, m.now, entries[i:i+1])
			}
		}
		want := dump(t, together.store)
		checkUsage(t, together.store)
		for _, g := range all[1:] {
			if d := gocmp.Diff(together.verdicts, g.verdicts, gocmp.Comparer(sameIssuer), gocmp.Comparer(sameError)); d != "" {
				t.Fatalf("verdicts (-together +apart):\n%s", d)
			}
			if d := gocmp.Diff(together.told, g.told); d != "" {
				t.Fatalf("told (-together +apart):\n%s", d)
			}
			if d := gocmp.Diff(want, dump(t, g.store)); d != "" {
				t.Fatalf("keys (-together +apart):\n%s", d)
			}
		}
		for _, g := range all {
			if err := g.store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func sameError(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// dumpOf is dump for a test that is no property.
func dumpOf(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	all, err := s.Dump()
	require.NoError(t, err)
	return all
}

// dump returns all keys and values that entries have made.
func dump(t *rapid.T, s *store.Store) map[string]string {
	all, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
