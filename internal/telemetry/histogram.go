package telemetry

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// histogram has the buckets of a native histogram. Bucket i has the values up to 2^(i/2^schema),
// and above those of bucket i-1.
type histogram struct {
	count   uint64
	sum     float64
	schema  int32
	zero    int64 // observations of zero
	buckets map[int32]int64
}

// histogramOf returns the state of a histogram, empty if o is none.
func histogramOf(o prometheus.Observer) histogram {
	h := histogram{buckets: map[int32]int64{}}
	source, ok := o.(prometheus.Metric)
	var m dto.Metric
	if !ok || source.Write(&m) != nil {
		return h
	}
	from := m.GetHistogram()
	h.count, h.sum, h.schema, h.zero = from.GetSampleCount(), from.GetSampleSum(), from.GetSchema(), int64(from.GetZeroCount()) //nolint:gosec // a count
	deltas, index, count := from.GetPositiveDelta(), int32(0), int64(0)
	for _, span := range from.GetPositiveSpan() {
		index += span.GetOffset()
		for range span.GetLength() {
			if len(deltas) == 0 {
				return h
			}
			count += deltas[0]
			deltas = deltas[1:]
			h.buckets[index] = count
			index++
		}
	}
	return h
}

// since returns the observations after an earlier state. There are none if the boundaries of the
// buckets have changed meanwhile, as they do when there would be too many.
func (h *histogram) since(last *histogram) *histogram {
	grown := &histogram{schema: h.schema, buckets: map[int32]int64{}}
	if h.schema != last.schema && last.count > 0 {
		return grown
	}
	grown.zero = h.zero - last.zero
	grown.count = h.count - last.count
	for index, n := range h.buckets {
		if n -= last.buckets[index]; n > 0 {
			grown.buckets[index] = n
		}
	}
	return grown
}

// percentiles returns those of observations in seconds; nil: there are none.
func (h *histogram) percentiles() *Percentiles {
	if h.count == 0 {
		return nil
	}
	return &Percentiles{P50: h.quantile(0.5), P95: h.quantile(0.95), P99: h.quantile(0.99)}
}

// quantile returns the q-quantile in milliseconds, between the boundaries of its bucket.
func (h *histogram) quantile(q float64) float64 {
	all := h.zero
	for _, n := range h.buckets {
		all += n
	}
	rank := q * float64(all)
	below := float64(h.zero)
	if rank <= below {
		return 0
	}
	indices := slices.Sorted(maps.Keys(h.buckets))
	for i, index := range indices {
		n := float64(h.buckets[index])
		if rank > below+n && i < len(indices)-1 {
			below += n
			continue
		}
		place := min(1, (rank-below)/n)
		exponent := (float64(index) - 1 + place) * math.Exp2(-float64(h.schema))
		return inMilliseconds(math.Exp2(exponent))
	}
	return 0
}

// inMilliseconds rounds to microseconds.
func inMilliseconds(seconds float64) float64 {
	const milli, micro = 1_000, 1_000_000
	return math.Round(seconds*micro) / milli
}
