package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Sample is one value that somebody else keeps, such as the store of itself.
type Sample struct {
	Name    string // bellhop_…, with its unit; ending in _total if Counter
	Help    string
	Value   float64
	Counter bool // only ever grows; else a gauge

	// Label tells samples of one name apart; empty: there is one sample. Its values
	// must be bounded by the configuration.
	Label, LabelValue string
}

// Observe has read called for each scrape and shows what it returns. It must be
// quick and may be called concurrently; names must not be taken twice.
func (m *Metrics) Observe(read func() []Sample) {
	m.registry.MustRegister(reader(read))
}

// reader is a collector whose metrics are not known before they are read.
type reader func() []Sample

// Describe names nothing, which makes the collector an unchecked one.
func (reader) Describe(chan<- *prometheus.Desc) {}

// Collect reads.
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
