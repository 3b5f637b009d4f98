package telemetry

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Sample is the value of a metric that another package keeps, such as the store.
type Sample struct {
	Name  string // one that is defined in this package
	Value float64

	// LabelValue is the value of the metric's label, if it has one. The number of values
	// must be bounded by the configuration.
	LabelValue string
}

// Observe adds the samples that read returns to each scrape. Read must be fast, and may be
// called concurrently. A name must not be in the samples of two functions.
func (m *Metrics) Observe(read func() []Sample) {
	m.registry.MustRegister(reader{m.catalogue, read})
}

// reader is a collector whose metrics are unknown before they are read.
type reader struct {
	catalogue catalogue
	read      func() []Sample
}

// Describe sends no descriptions, which makes reader an unchecked collector.
func (reader) Describe(chan<- *prometheus.Desc) {}

// Collect sends the samples.
func (r reader) Collect(to chan<- prometheus.Metric) {
	for _, s := range r.read() {
		to <- r.metric(s)
	}
}

func (r reader) metric(s Sample) prometheus.Metric {
	d, ok := r.catalogue[s.Name]
	if !ok {
		return prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(fmt.Errorf("no metric is called %s", s.Name)), nil)
	}
	kind := prometheus.GaugeValue
	if d.kind == isCounter {
		kind = prometheus.CounterValue
	}
	var values []string
	if len(d.labels) > 0 {
		values = []string{s.LabelValue}
	}
	m, err := prometheus.NewConstMetric(prometheus.NewDesc(d.name, d.help, d.labels, nil), kind, s.Value, values...)
	if err != nil {
		return prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
	return m
}
