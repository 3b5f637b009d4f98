// Package telemetry has the metrics and the log of the service. Other packages declare small
// interfaces for their metrics, which Metrics implements. The registry is not the global
// one, so a process can run several services. Users, tokens and notifications are never
// labels.
package telemetry

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bellhop/bellhop/internal/notify"
)

// Metrics has the counters of the service. Its methods may be called concurrently and do not
// block.
type Metrics struct {
	registry *prometheus.Registry

	hub        *hubMetrics
	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	publishes  *prometheus.CounterVec
	commands   *prometheus.CounterVec
	groupSize  prometheus.Histogram
	commitTime prometheus.Histogram
}

// hubMetrics are the metrics of the hub.
type hubMetrics struct {
	open       prometheus.Gauge
	opened     prometheus.Counter
	closed     *prometheus.CounterVec
	deliveries prometheus.Counter
	drops      *prometheus.CounterVec
}

// New returns metrics of a service that has just started.
func New(b Build) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		hub: &hubMetrics{
			open:       gauge("bellhop_connections", "Open connections."),
			opened:     counter("bellhop_connections_opened_total", "Connections opened since the start."),
			closed:     counterVec("bellhop_connections_closed_total", "Connections closed, by close code and reason.", "code", "reason"),
			deliveries: counter("bellhop_deliveries_total", "Frames written to connections."),
			drops:      counterVec("bellhop_drops_total", "Frames queued but not written because the connection was closed, by close reason.", "reason"),
		},
		requests:  counterVec("bellhop_http_requests_total", "HTTP requests answered, by route and status.", "route", "status"),
		publishes: counterVec("bellhop_publishes_total", "Notifications published, by audience and outcome.", "audience", "outcome"),
		commands:  counterVec("bellhop_commands_total", "Commands on WebSockets answered, by name and status.", "command", "status"),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bellhop_http_request_duration_seconds", Help: "Time from an HTTP request to its answer, by route.",
			Buckets: prometheus.ExponentialBuckets(0.000_25, 2, 16), // to 8 s
		}, []string{"route"}),
		groupSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "bellhop_journal_group_entries", Help: "Journal entries committed together.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 13), // to 4,096
		}),
		commitTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "bellhop_journal_commit_duration_seconds", Help: "Time to apply and sync a group of journal entries.",
			Buckets: prometheus.ExponentialBuckets(0.000_1, 2, 16), // to 3 s
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bellhop_build_info", Help: "Version of the running program; always 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go_version": b.Go},
	})
	build.Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build,
		m.hub.open, m.hub.opened, m.hub.closed, m.hub.deliveries, m.hub.drops,
		m.requests, m.latency, m.publishes, m.commands, m.groupSize, m.commitTime,
	)
	return m
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Opened counts a connection that was opened.
func (m *Metrics) Opened() {
	m.hub.open.Inc()
	m.hub.opened.Inc()
}

// Closed counts a connection that was closed.
func (m *Metrics) Closed(why notify.Close) {
	reason, _, _ := strings.Cut(why.Reason, " ") // a restart has the drain window after its reason
	m.hub.open.Dec()
	m.hub.closed.WithLabelValues(strconv.Itoa(why.Code), reason).Inc()
}

// Delivered counts frames that were written to a connection.
func (m *Metrics) Delivered(frames int) { m.hub.deliveries.Add(float64(frames)) }

// Dropped counts frames that were queued for a connection and never written.
func (m *Metrics) Dropped(frames int, reason string) {
	reason, _, _ = strings.Cut(reason, " ")
	m.hub.drops.WithLabelValues(reason).Add(float64(frames))
}

// Committed counts a group of entries that became durable.
func (m *Metrics) Committed(entries int, seconds float64) {
	m.groupSize.Observe(float64(entries))
	m.commitTime.Observe(seconds)
}

// Published counts a published notification and its outcome.
func (m *Metrics) Published(audience notify.Audience, outcome string) {
	m.publishes.WithLabelValues(string(audience), outcome).Inc()
}

// Answered counts a command on a WebSocket and the status of its answer.
func (m *Metrics) Answered(command string, status int) {
	m.commands.WithLabelValues(command, strconv.Itoa(status)).Inc()
}

// RequestDone counts an HTTP request. The route is the pattern of the path, never the
// requested path, so that clients cannot create labels.
func (m *Metrics) RequestDone(route string, status int, seconds float64) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.latency.WithLabelValues(route).Observe(seconds)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}
