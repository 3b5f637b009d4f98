package journal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A group has what is urgent first, is no heavier than it may be by more than its
// last part, leaves nothing behind while there is room, and keeps the order of each
// publisher.
func TestShareOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		urgent := rapid.IntRange(0, 5).Draw(t, "urgent")
		waiting := make([]*pending, urgent+rapid.IntRange(0, 50).Draw(t, "others"))
		for i := range waiting {
			waiting[i] = &pending{
				by:     rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "by"),
				weight: rapid.IntRange(1, 2_000).Draw(t, "weight"),
				urgent: i < urgent,
			}
		}
		group, rest := shareOut(slices.Clone(waiting), urgent)
		weight, heaviest := 0, 0
		for _, p := range group {
			weight, heaviest = weight+p.weight, max(heaviest, p.weight)
		}
		if weight >= maxGroupWeight+heaviest {
			t.Fatalf("the group weighs %d", weight)
		}
		if len(rest) > 0 && weight < maxGroupWeight {
			t.Fatalf("the group weighs %d, and %d are left behind", weight, len(rest))
		}
		if i := slices.IndexFunc(group, func(p *pending) bool { return !p.urgent }); i >= 0 {
			if slices.ContainsFunc(group[i:], func(p *pending) bool { return p.urgent }) ||
				slices.ContainsFunc(rest, func(p *pending) bool { return p.urgent }) {
				t.Fatal("something urgent comes behind something that is not")
			}
		}
		for _, by := range []string{"a", "b", "c"} {
			is := func(p *pending) bool { return p.by == by && !p.urgent }
			if !slices.Equal(filter(waiting, is), append(filter(group, is), filter(rest, is)...)) {
				t.Fatalf("the order of %s is another one", by)
			}
		}
	})
}

func filter(all []*pending, is func(*pending) bool) (some []*pending) {
	for _, p := range all {
		if is(p) {
			some = append(some, p)
		}
	}
	return some
}
