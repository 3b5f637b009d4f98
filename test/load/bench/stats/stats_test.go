package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/stats"
)

func TestQuantilesAreWithinOnePercent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h stats.Histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(math.Exp(random.Float64() * 25))
		h.Record(d)
		all = append(all, d)
	}
	slices.Sort(all)

	for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		got := h.Quantile(q)
		if off := math.Abs(float64(got-want)) / float64(want); off > 0.01 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if h.Max() != all[len(all)-1] || h.Count() != 10_000 {
		t.Errorf("max %v, count %d", h.Max(), h.Count())
	}
}

func TestTheEdgesOfAHistogram(t *testing.T) {
	var h stats.Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("median of nothing: %v", got)
	}
	h.Record(-time.Second)
	if got := h.Quantile(1); got != 0 {
		t.Errorf("a negative duration counts as %v", got)
	}
	h.Record(math.MaxInt64)
	if got := h.Quantile(1); float64(got) < 0.99*math.MaxInt64 {
		t.Errorf("the longest duration counts as %v", got)
	}
}

func TestMergeCountsBoth(t *testing.T) {
	var a, b stats.Histogram
	a.Record(10)
	b.Record(20)
	b.Record(30)
	a.Merge(&b)
	if a.Count() != 3 || a.Quantile(0.5) != 20 || a.Max() != 30 {
		t.Errorf("count %d, median %d, max %d", a.Count(), a.Quantile(0.5), a.Max())
	}
}

func TestSeries(t *testing.T) {
	for _, c := range []struct {
		s            stats.Series
		median, a, b float64
	}{
		{nil, 0, 0, 0},
		{stats.Series{3}, 3, 3, 3},
		{stats.Series{9, 1, 4}, 4, 1, 9},
		{stats.Series{9, 1, 4, 6}, 5, 1, 9},
	} {
		a, b := c.s.Range()
		if m := c.s.Median(); m != c.median || a != c.a || b != c.b {
			t.Errorf("%v: median %v, range %v to %v", c.s, m, a, b)
		}
	}
}

func TestOverDividesNeighbours(t *testing.T) {
	got := stats.Series{2, 9, 5}.Over(stats.Series{1, 3, 0})
	if want := (stats.Series{2, 3}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
