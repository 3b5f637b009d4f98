package store

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
)

// TestSequences compares the set with a sorted list.
func TestSequences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const highest = 5 * maxChunk
		var s sequences
		var want []notify.Sequence
		if rapid.Bool().Draw(t, "full") {
			for seq := notify.Sequence(2); seq < highest; seq += 2 {
				s.add(seq)
				want = append(want, seq)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				seq := notify.Sequence(rapid.IntRange(1, highest).Draw(t, "seq"))
				for range rapid.IntRange(1, maxChunk).Draw(t, "run") {
					s.add(seq)
					if i, found := slices.BinarySearch(want, seq); !found {
						want = slices.Insert(want, i, seq)
					}
					seq++
				}
			},
			"remove": func(t *rapid.T) {
				seq := notify.Sequence(rapid.IntRange(1, highest).Draw(t, "seq"))
				for range rapid.IntRange(1, maxChunk).Draw(t, "run") {
					s.remove(seq)
					if i, found := slices.BinarySearch(want, seq); found {
						want = slices.Delete(want, i, i+1)
					}
					seq++
				}
			},
			"": func(t *rapid.T) {
				from := notify.Sequence(rapid.IntRange(0, highest).Draw(t, "from"))
				to := notify.Sequence(rapid.IntRange(0, 2*highest).Draw(t, "to"))
				n := 0
				for _, seq := range want {
					if seq >= from && seq <= to {
						n++
					}
				}
				if got := s.between(from, to); got != n || s.n != len(want) {
					t.Fatalf("%d between %d and %d of %d, want %d of %d", got, from, to, s.n, n, len(want))
				}
				if got := slices.Concat(s.chunks...); !slices.Equal(got, want) {
					t.Fatalf("%d in order, want %d", len(got), len(want))
				}
				up := s.appendUpTo(nil, to)
				if other := sequencesOf(up); other.n != s.upTo(to) || other.between(from, to) != n || !slices.Equal(up, want[:other.n]) {
					t.Fatalf("%d up to %d, want %d", other.n, to, s.upTo(to))
				}
			},
		})
	})
}
