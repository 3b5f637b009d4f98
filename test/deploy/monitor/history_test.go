package monitor

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
)

// history is what Prometheus has scraped, at times that a test chooses: alerts wait for minutes
// and hours, and the test does not. Prometheus's own engine evaluates queries on it.
type history struct {
	t      *testing.T
	engine *promql.Engine
	now    time.Time

	series map[string]*series            // by labels
	last   map[string]map[string]*series // those of the last scrape of an instance
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// sample is a number at a time in milliseconds.
type sample struct {
	at     int64
	number float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.at }
func (s sample) F() float64                    { return s.number }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// distribution is a native histogram at a time in milliseconds.
type distribution struct {
	sample
	histogram *histogram.FloatHistogram
}

func (d distribution) FH() *histogram.FloatHistogram { return d.histogram }
func (distribution) Type() chunkenc.ValueType        { return chunkenc.ValFloatHistogram }
func (d distribution) Copy() chunks.Sample           { return distribution{d.sample, d.histogram.Copy()} }

func newHistory(t *testing.T) *history {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	return &history{t: t, engine: engine, now: time.Now(), series: map[string]*series{}, last: map[string]map[string]*series{}}
}

// scrape adds what an instance has answered at the present time; an empty text: it has not
// answered.
func (h *history) scrape(instance, text, contentType string) {
	h.t.Helper()
	seen := map[string]*series{}
	add := func(l labels.Labels, s chunks.Sample) {
		b := labels.NewBuilder(l)
		b.Set("job", "bellhop").Set("instance", instance)
		seen[b.Labels().String()] = h.add(b.Labels(), s)
	}
	up := 0.0
	if text != "" {
		up = 1
		h.parse(text, contentType, add)
	}
	add(labels.FromStrings("__name__", "up"), h.number(up))
	h.end(h.last[instance], seen)
	h.last[instance] = seen
}

// end marks the series that were seen before and are not seen now as ended.
func (h *history) end(before, now map[string]*series) {
	for key, s := range before {
		if now[key] == nil {
			s.samples = append(s.samples, h.number(math.Float64frombits(value.StaleNaN)))
		}
	}
}

// number returns a sample at the present time.
func (h *history) number(number float64) sample { return sample{h.now.UnixMilli(), number} }

// parse adds the samples of an answer. A histogram of an answer in protobuf has those of the classic and of the
// native form: always_scrape_classic_histograms.
func (h *history) parse(text, contentType string, add func(labels.Labels, chunks.Sample)) {
	h.t.Helper()
	p, err := textparse.New([]byte(text), contentType, labels.NewSymbolTable(), textparse.ParserOptions{
		KeepClassicOnClassicAndNativeHistograms: true,
	})
	require.NoError(h.t, err)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(h.t, err)
		var l labels.Labels
		switch entry {
		case textparse.EntrySeries:
			p.Labels(&l)
			_, _, number := p.Series()
			add(l, h.number(number))
		case textparse.EntryHistogram:
			p.Labels(&l)
			_, _, native, _ := p.Histogram() // of counters and not of gauges, therefore of integers
			add(l, distribution{h.number(0), native.ToFloat(nil)})
		default: // types, units and comments
		}
	}
}

func (h *history) add(l labels.Labels, one chunks.Sample) *series {
	key := l.String()
	s := h.series[key]
	if s == nil {
		s = &series{labels: l}
		h.series[key] = s
	}
	s.samples = append(s.samples, one)
	return s
}

// query evaluates an expression at the present time.
func (h *history) query(expr string) promql.Vector {
	h.t.Helper()
	q, err := h.engine.NewInstantQuery(context.Background(), h, nil, expr, h.now)
	require.NoError(h.t, err, expr)
	defer q.Close()
	result := q.Exec(context.Background())
	require.NoError(h.t, result.Err, expr)
	if scalar, ok := result.Value.(promql.Scalar); ok {
		return promql.Vector{{F: scalar.V}}
	}
	vector, err := result.Vector()
	require.NoError(h.t, err, expr)
	return slices.Clone(vector)
}

// one returns the result of an expression that has exactly one.
func (h *history) one(expr string) float64 {
	h.t.Helper()
	result := h.query(expr)
	require.Len(h.t, result, 1, expr)
	return result[0].F
}

// Querier implements storage.Queryable.
func (h *history) Querier(from, to int64) (storage.Querier, error) { return querier{h, from, to}, nil }

type querier struct {
	*history
	from, to int64
}

// Select returns the series that match all matchers, sorted by labels.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{}
	for _, s := range q.series {
		fits := !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) })
		if !fits {
			continue
		}
		var within []chunks.Sample
		for _, one := range s.samples {
			if one.T() >= q.from && one.T() <= q.to {
				within = append(within, one)
			}
		}
		set.rest = append(set.rest, storage.NewListSeries(s.labels, within))
	}
	slices.SortFunc(set.rest, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return set
}

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.ErrUnsupported
}

func (querier) Close() error { return nil }

type seriesSet struct {
	at   storage.Series
	rest []storage.Series
}

func (s *seriesSet) Next() bool {
	if len(s.rest) == 0 {
		return false
	}
	s.at, s.rest = s.rest[0], s.rest[1:]
	return true
}

func (s *seriesSet) At() storage.Series              { return s.at }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// text returns the labels of the results, for messages.
func text(v promql.Vector) string {
	var all []string
	for _, s := range v {
		all = append(all, s.String())
	}
	return strings.Join(all, "\n")
}
