package store

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
)

// TestMarks holds intervals against a map of places.
func TestMarks(t *testing.T) {
	const places = 20
	rapid.Check(t, func(t *rapid.T) {
		var m intervalSet
		want := map[notify.Sequence]userItem{}
		now := time.UnixMilli(1_000_000).UTC()
		t.Repeat(map[string]func(*rapid.T){
			"mark": func(t *rapid.T) {
				from := notify.Sequence(rapid.IntRange(1, places).Draw(t, "from"))
				to := notify.Sequence(rapid.IntRange(int(from), places).Draw(t, "to"))
				verb := rapid.SampledFrom([]notify.Verb{notify.VerbRead, notify.VerbUnread, notify.VerbArchive}).Draw(t, "verb")
				now = now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "later")) * time.Second)
				before := m.append(nil)
				next := m.apply(intervalSet{{from: from, to: to}}, verb, now, false).differingFrom(nil)
				if string(m.append(nil)) != string(before) {
					t.Fatal("marking has changed what was marked before")
				}
				m = next
				for seq := from; seq <= to; seq++ {
					want[seq] = want[seq].applied(verb, now)
				}
				maps.DeleteFunc(want, func(_ notify.Sequence, v userItem) bool { return v == userItem{} })
			},
			"": func(t *rapid.T) {
				for seq := notify.Sequence(1); seq <= places+1; seq++ {
					if got, _ := m.find(seq); got.item() != want[seq] {
						t.Fatalf("at %d: %v, want %v", seq, got, want[seq])
					}
				}
				for i, s := range m {
					if s.from > s.to || i > 0 && s.from <= m[i-1].to {
						t.Fatalf("intervals are not apart: %v", m)
					}
				}
			},
		})
	})
}
