// Package telemetry has the metrics and the log of the service. Other packages declare small
// interfaces for their metrics, which Metrics implements. The registry is not the global
// one, so a process can run several services. Users, tokens and notifications are never
// labels.
package telemetry

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bellhop/bellhop/internal/notify"
)

// Metrics has the counters of the service. Its methods may be called concurrently and do not
// block.
type Metrics struct {
	registry  *prometheus.Registry
	catalogue catalogue

	hub     hubMetrics
	service serviceMetrics

	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	commands *prometheus.CounterVec
	refusals *prometheus.CounterVec

	groupSize  prometheus.Observer
	commitTime prometheus.Observer
	syncTime   prometheus.Observer
}

// hubMetrics are the metrics of the hub.
type hubMetrics struct {
	open       *prometheus.GaugeVec
	opened     *prometheus.CounterVec
	closed     *prometheus.CounterVec
	deliveries prometheus.Counter
	delay      prometheus.Observer
	drops      *prometheus.CounterVec
}

// serviceMetrics are the metrics of publishes and of connections that join.
type serviceMetrics struct {
	publishes   *prometheus.CounterVec
	publishTime prometheus.Observer
	replays     prometheus.Observer
	resets      *prometheus.CounterVec
	tickets     *prometheus.CounterVec
	upkeep      *prometheus.CounterVec
	upkeepTime  *prometheus.HistogramVec
}

// New returns metrics of a service that has just started.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), catalogue: newCatalogue()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.gauge("bellhop_build_info").WithLabelValues(b.Version, b.Revision, b.Go).Set(1)
	m.hub = hubMetrics{
		open:       m.gauge("bellhop_connections"),
		opened:     m.counter("bellhop_connections_opened_total"),
		closed:     m.counter("bellhop_connections_closed_total"),
		deliveries: m.counter("bellhop_deliveries_total").WithLabelValues(),
		delay:      m.histogram("bellhop_delivery_duration_seconds").WithLabelValues(),
		drops:      m.counter("bellhop_drops_total"),
	}
	m.service = serviceMetrics{
		publishes:   m.counter("bellhop_publishes_total"),
		publishTime: m.histogram("bellhop_publish_duration_seconds").WithLabelValues(),
		replays:     m.histogram("bellhop_replay_notifications").WithLabelValues(),
		resets:      m.counter("bellhop_resets_total"),
		tickets:     m.counter("bellhop_tickets_total"),
		upkeep:      m.counter("bellhop_upkeep_runs_total"),
		upkeepTime:  m.histogram("bellhop_upkeep_duration_seconds"),
	}
	m.requests = m.counter("bellhop_http_requests_total")
	m.latency = m.histogram("bellhop_http_request_duration_seconds")
	m.commands = m.counter("bellhop_commands_total")
	m.refusals = m.counter("bellhop_refusals_total")
	m.groupSize = m.histogram("bellhop_journal_group_entries").WithLabelValues()
	m.commitTime = m.histogram("bellhop_journal_commit_duration_seconds").WithLabelValues()
	m.syncTime = m.histogram("bellhop_store_sync_duration_seconds").WithLabelValues()
	m.showZeros()
	return m
}

// showZeros makes the series of labels whose values are known appear before they are counted:
// rate() does not see the first increment of a new series.
func (m *Metrics) showZeros() {
	for _, transport := range []string{"websocket", "events"} {
		m.hub.open.WithLabelValues(transport)
		m.hub.opened.WithLabelValues(transport)
	}
	for _, a := range []notify.Audience{notify.AudienceUser, notify.AudienceTopic, notify.AudienceAll} {
		for _, outcome := range []string{"stored", "deferred", "ephemeral", "duplicate", "refused"} {
			m.service.publishes.WithLabelValues(string(a), outcome)
		}
	}
	for _, reason := range []string{"unknown", "truncated", "preferences"} {
		m.service.resets.WithLabelValues(reason)
	}
	for _, outcome := range []string{"issued", "redeemed", "refused"} {
		m.service.tickets.WithLabelValues(outcome)
	}
	for _, task := range []string{"cleanup", "release", "erasure", "purge", "rules", "receipts"} {
		for _, outcome := range []string{"done", "failed"} {
			m.service.upkeep.WithLabelValues(task, outcome)
		}
	}
	m.hub.drops.WithLabelValues(notify.CloseSlow.Reason)
	m.hub.drops.WithLabelValues(notify.CloseOverloaded.Reason)
}

func (m *Metrics) gauge(name string) *prometheus.GaugeVec {
	v := m.catalogue.gauge(name)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) counter(name string) *prometheus.CounterVec {
	v := m.catalogue.counter(name)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name string) *prometheus.HistogramVec {
	v := m.catalogue.histogram(name)
	m.registry.MustRegister(v)
	return v
}

// Handler serves the metrics to Prometheus, in OpenMetrics to those who ask for it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// Opened counts a connection that was opened.
func (m *Metrics) Opened(transport string) {
	m.hub.open.WithLabelValues(transport).Inc()
	m.hub.opened.WithLabelValues(transport).Inc()
}

// Closed counts a connection that was closed.
func (m *Metrics) Closed(transport string, why notify.Close) {
	reason, _, _ := strings.Cut(why.Reason, " ") // a restart has the drain window after its reason
	m.hub.open.WithLabelValues(transport).Dec()
	m.hub.closed.WithLabelValues(strconv.Itoa(why.Code), reason).Inc()
}

// Delivered counts events that were written to a connection.
func (m *Metrics) Delivered(events int) { m.hub.deliveries.Add(float64(events)) }

// Delayed notes how long after its entry a notification was written to a connection.
func (m *Metrics) Delayed(by time.Duration) { m.hub.delay.Observe(max(0, by.Seconds())) }

// Dropped counts events that were queued for a connection and never written.
func (m *Metrics) Dropped(events int, reason string) {
	reason, _, _ = strings.Cut(reason, " ")
	m.hub.drops.WithLabelValues(reason).Add(float64(events))
}

// Committed counts a group of entries that became durable.
func (m *Metrics) Committed(entries int, seconds float64) {
	m.groupSize.Observe(float64(entries))
	m.commitTime.Observe(seconds)
}

// Synced notes how long writing and syncing a group of entries took.
func (m *Metrics) Synced(took time.Duration) { m.syncTime.Observe(took.Seconds()) }

// Published counts a published notification and its outcome.
func (m *Metrics) Published(audience notify.Audience, outcome string) {
	m.service.publishes.WithLabelValues(string(audience), outcome).Inc()
}

// Stored notes how long after a publish its entries were durable.
func (m *Metrics) Stored(took time.Duration) { m.service.publishTime.Observe(took.Seconds()) }

// Replayed counts the notifications that a connection with a cursor was sent.
func (m *Metrics) Replayed(notifications int) { m.service.replays.Observe(float64(notifications)) }

// Reset counts a connection whose cursor could not be honoured.
func (m *Metrics) Reset(reason string) { m.service.resets.WithLabelValues(reason).Inc() }

// Ticket counts a ticket and its outcome.
func (m *Metrics) Ticket(outcome string) { m.service.tickets.WithLabelValues(outcome).Inc() }

// Upkeep counts a run of a task, and notes how long it took.
func (m *Metrics) Upkeep(task string, took time.Duration, failed bool) {
	outcome := "done"
	if failed {
		outcome = "failed"
	}
	m.service.upkeep.WithLabelValues(task, outcome).Inc()
	m.service.upkeepTime.WithLabelValues(task).Observe(took.Seconds())
}

// Answered counts a command on a WebSocket and the status of its answer.
func (m *Metrics) Answered(command string, status int) {
	m.commands.WithLabelValues(command, strconv.Itoa(status)).Inc()
}

// Refused counts a refusal by the name of its problem, of the limit that was exceeded, and of its cause.
func (m *Metrics) Refused(problem, limit string, cause notify.Cause) {
	m.refusals.WithLabelValues(problem, limit, string(cause)).Inc()
}

// RequestDone counts an HTTP request. The route is the pattern of the path, never the
// requested path, so that clients cannot create labels.
func (m *Metrics) RequestDone(route string, status int, seconds float64) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.latency.WithLabelValues(route).Observe(seconds)
}
