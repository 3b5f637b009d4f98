package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Registry returns the registry of m.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Definition is a row of the reference.
type Definition struct {
	Type   string
	Labels []string
}

// Definitions returns the definitions of all metrics, by name.
func Definitions() map[string]Definition {
	all := map[string]Definition{}
	for name, d := range newCatalogue() {
		all[name] = Definition{string(d.kind), d.labels}
	}
	return all
}

// Markdown returns the reference.
func Markdown() string { return markdown() }
