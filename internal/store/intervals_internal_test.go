package store

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
)

// TestIntervalsAgainstAMap compares an interval set with a map from sequences to read state.
func TestIntervalsAgainstAMap(t *testing.T) {
	const highest = 20
	rapid.Check(t, func(t *rapid.T) {
		var m intervalSet
		want := map[notify.Sequence]itemState{}
		now := time.UnixMilli(1_000_000).UTC()
		t.Repeat(map[string]func(*rapid.T){
			"mark": func(t *rapid.T) {
				from := notify.Sequence(rapid.IntRange(1, highest).Draw(t, "from"))
				to := notify.Sequence(rapid.IntRange(int(from), highest).Draw(t, "to"))
				verb := rapid.SampledFrom([]notify.Verb{notify.VerbSeen, notify.VerbRead, notify.VerbUnread, notify.VerbArchive}).Draw(t, "verb")
				now = now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "later")) * time.Second)
				before := m.append(nil)
				next := m.apply(intervalSet{{from: from, to: to}}, verb, now, false).differingFrom(nil)
				if string(m.append(nil)) != string(before) {
					t.Fatal("apply has changed the set on which it was called")
				}
				m = next
				for seq := from; seq <= to; seq++ {
					want[seq] = want[seq].applied(verb, now)
				}
				maps.DeleteFunc(want, func(_ notify.Sequence, v itemState) bool { return v == itemState{} })
			},
			"": func(t *rapid.T) {
				for seq := notify.Sequence(1); seq <= highest+1; seq++ {
					if got, _ := m.find(seq); got.itemState != want[seq] {
						t.Fatalf("at %d: %v, want %v", seq, got, want[seq])
					}
				}
				for i, s := range m {
					if s.from > s.to || i > 0 && s.from <= m[i-1].to {
						t.Fatalf("intervals overlap or are out of order: %v", m)
					}
				}
			},
		})
	})
}
