// Package stats summarises measurements: latencies within one run, and one figure over
// several runs.
package stats

import (
	"math"
	"math/bits"
	"time"
)

// Each power of two is divided into parts buckets, so that the error of a quantile is less
// than one percent.
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

// Record counts d. A negative duration counts as 0.
func (h *Histogram) Record(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucket(uint64(v))]++
	h.total++
	h.most = max(h.most, v)
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.most = max(h.most, o.most)
}

// Count returns the number of recorded durations.
func (h *Histogram) Count() uint64 { return h.total }

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return time.Duration(h.most) }

// Quantile returns the duration that a share q of all does not exceed, with an error of less
// than one percent. It returns 0 if nothing was recorded.
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

// bucket returns the bucket of v. Values below 2*parts have a bucket each; above, the width
// of a bucket grows with each power of two.
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
