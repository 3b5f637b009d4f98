// Package stats sums up what the load tool measures: latencies within one run,
// and one figure over several runs.
package stats

import (
	"math"
	"math/bits"
	"time"
)

// Each power of two is divided into so many buckets, so that a quantile is
// off by less than one in a hundred.
const (
	parts   = 64
	buckets = parts * (64 - 6 + 1)
)

// Histogram counts durations. Its zero value is empty.
type Histogram struct {
	counts [buckets]uint64
	total  uint64
	most   int64
}

// Record counts d; a negative one counts as none at all.
func (h *Histogram) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucket(uint64(v))]++
	h.total++
	h.most = max(h.most, v)
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.most = max(h.most, o.most)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return time.Duration(h.most) }

// Quantile returns the duration that the share q of all did not exceed, within
// a hundredth; 0 if nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(math.Ceil(q*float64(h.total))), 1)
	for i, n := range h.counts {
		if n >= rank {
			return time.Duration(min(middle(i), h.most))
		}
		rank -= n
	}
	return h.Max()
}

// bucket returns where v is counted. Up to 2*parts every value has a bucket of
// its own; above, a bucket is as wide as the power of two asks for.
func bucket(v uint64) int {
	if v < 2*parts {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len64(2*parts-1)
	return parts*shift + int(v>>shift)
}

// middle returns the value in the middle of bucket i.
func middle(i int) int64 {
	if i < 2*parts {
		return int64(i)
	}
	shift := i/parts - 1
	return int64(i%parts+parts)<<shift + int64(1)<<shift/2
}
