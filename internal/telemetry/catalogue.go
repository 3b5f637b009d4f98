package telemetry

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// kind is the type of a metric.
type kind string

const (
	isGauge     kind = "gauge"
	isCounter   kind = "counter"
	isHistogram kind = "histogram"
)

// definition is what is known of a metric before it has a value. No label has values that
// clients can make up: users, topics, tokens and paths are never labels.
type definition struct {
	name    string
	kind    kind
	help    string
	labels  []string
	buckets []float64 // of a histogram
}

// section is a group of metrics in the reference.
type section struct {
	title   string
	metrics []definition
}

// catalogue has the definition of each metric, by name. Metrics are made from it alone, so
// the reference that markdown writes is complete.
type catalogue map[string]definition

func newCatalogue() catalogue {
	all := catalogue{}
	for _, s := range sections() {
		for _, d := range s.metrics {
			all[d.name] = d
		}
	}
	return all
}

// find returns the definition of a metric. A name that is not defined is a mistake in the
// program, which the first start finds.
func (c catalogue) find(name string, want kind) definition {
	d, ok := c[name]
	if !ok || d.kind != want {
		panic(fmt.Sprintf("no %s is called %s", want, name))
	}
	return d
}

func (c catalogue) counter(name string) *prometheus.CounterVec {
	d := c.find(name, isCounter)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name, Help: d.help}, d.labels)
}

func (c catalogue) gauge(name string) *prometheus.GaugeVec {
	d := c.find(name, isGauge)
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.name, Help: d.help}, d.labels)
}

// histogram returns a histogram with the buckets of its definition, and with those of a
// native histogram, whose boundaries differ by at most a tenth.
func (c catalogue) histogram(name string) *prometheus.HistogramVec {
	d := c.find(name, isHistogram)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: d.name, Help: d.help, Buckets: d.buckets,
		NativeHistogramBucketFactor:    nativeFactor,
		NativeHistogramMaxBucketNumber: nativeBuckets,
	}, d.labels)
}

// Bounds of native histograms. With more buckets than these, neighbours are merged.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
)

// markdown returns the reference of all metrics as tables.
func markdown() string {
	var b strings.Builder
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", s.title)
		for _, d := range s.metrics {
			labels := ""
			if len(d.labels) > 0 {
				labels = "`" + strings.Join(d.labels, "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, d.kind, labels, d.help)
		}
	}
	return b.String()[1:]
}
