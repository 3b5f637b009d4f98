package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Sample is the value of a metric that another package keeps, such as the store.
type Sample struct {
	Name    string // bellhop_…, with its unit; ending in _total if Counter
	Help    string
	Value   float64
	Counter bool // the value never decreases; false: a gauge

	// Label distinguishes samples with the same name; empty: there is one sample. The
	// number of its values must be bounded by the configuration.
	Label, LabelValue string
}

// Observe adds the samples that read returns to each scrape. Read must be fast, and may be
// called concurrently. The names of samples must be unique.
func (m *Metrics) Observe(read func() []Sample) {
	m.registry.MustRegister(reader(read))
}

// reader is a collector whose metrics are unknown before they are read.
type reader func() []Sample

// Describe sends no descriptions, which makes reader an unchecked collector.
func (reader) Describe(chan<- *prometheus.Desc) {}

// Collect sends the samples.
func (r reader) Collect(to chan<- prometheus.Metric) {
	for _, s := range r() {
		kind := prometheus.GaugeValue
		if s.Counter {
			kind = prometheus.CounterValue
		}
		var labels prometheus.Labels
		if s.Label != "" {
			labels = prometheus.Labels{s.Label: s.LabelValue}
		}
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc(s.Name, s.Help, nil, labels), kind, s.Value)
	}
}
