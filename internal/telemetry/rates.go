package telemetry

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Rates have the growth of counters since the sample before, per second, and the levels of gauges.
// Their labels are those of the metrics.
type Rates struct {
	Connections map[string]float64 `json:"connections"` // a level, by transport
	Opened      float64            `json:"opened"`
	Closes      map[string]float64 `json:"closes"` // by code and reason
	Publishes   map[string]float64 `json:"publishes"`
	Refusals    map[string]float64 `json:"refusals"` // by problem, and by limit or cause if it has one
	Deliveries  float64            `json:"deliveries"`

	Publish  *Percentiles `json:"publish_ms,omitempty"`
	Delivery *Percentiles `json:"delivery_ms,omitempty"`
	Sync     *Percentiles `json:"sync_ms,omitempty"`
	Commit   Commits      `json:"commit"`
}

// Percentiles are of durations, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Commits are the groups of journal entries that were committed.
type Commits struct {
	Groups  float64 `json:"groups"`
	Entries float64 `json:"entries"`

	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
}

// Sampler computes Rates. It reads only the metrics that they need, so that a sample costs
// microseconds, however many connections there are.
type Sampler struct {
	metrics *Metrics
	last    counted
}

// counted are the values of counters at one time.
type counted struct {
	at                          time.Time
	opened, deliveries          float64
	closes, publishes, refusals map[string]float64

	publish, delivery, sync, commit, groups histogram
}

// NewSampler returns a Sampler whose first Rates are since now.
func (m *Metrics) NewSampler(now time.Time) *Sampler {
	return &Sampler{metrics: m, last: m.read(now)}
}

func (m *Metrics) read(now time.Time) counted {
	return counted{
		at:         now,
		opened:     total(byLabels(m.hub.opened)),
		deliveries: valueOf(m.hub.deliveries),
		closes:     byLabels(m.hub.closed, "code", "reason"),
		publishes:  byLabels(m.service.publishes, "outcome"),
		refusals:   byLabels(m.refusals, "problem", "limit", "cause"),
		publish:    histogramOf(m.service.publishTime),
		delivery:   histogramOf(m.hub.delay),
		sync:       histogramOf(m.syncTime),
		commit:     histogramOf(m.commitTime),
		groups:     histogramOf(m.groupSize),
	}
}

// Sample returns the Rates since the Sample before. Only one goroutine may call it at a time.
func (s *Sampler) Sample(now time.Time) Rates {
	last, next := s.last, s.metrics.read(now)
	s.last = next
	seconds := max(1, math.Round(next.at.Sub(last.at).Seconds()))
	r := Rates{
		Connections: byLabels(s.metrics.hub.open, "transport"),
		Opened:      (next.opened - last.opened) / seconds,
		Closes:      grown(next.closes, last.closes, seconds),
		Publishes:   grown(next.publishes, last.publishes, seconds),
		Refusals:    grown(next.refusals, last.refusals, seconds),
		Deliveries:  (next.deliveries - last.deliveries) / seconds,
		Publish:     next.publish.since(&last.publish).percentiles(),
		Delivery:    next.delivery.since(&last.delivery).percentiles(),
		Sync:        next.sync.since(&last.sync).percentiles(),
		Commit: Commits{
			Groups:  float64(next.groups.count-last.groups.count) / seconds,
			Entries: (next.groups.sum - last.groups.sum) / seconds,
		},
	}
	if p := next.commit.since(&last.commit).percentiles(); p != nil {
		r.Commit.P50, r.Commit.P99 = p.P50, p.P99
	}
	return r
}

// grown returns by how much the values have grown per second, without those that have not.
func grown(next, last map[string]float64, seconds float64) map[string]float64 {
	all := map[string]float64{}
	for name, value := range next {
		if value > last[name] {
			all[name] = (value - last[name]) / seconds
		}
	}
	return all
}

func total(values map[string]float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

// byLabels returns the values of a metric by some of its labels, separated by spaces and in their
// order. Series that differ in other labels are added up.
func byLabels(c prometheus.Collector, labels ...string) map[string]float64 {
	all := map[string]float64{}
	series := make(chan prometheus.Metric, 64)
	go func() { // ends before the loop does
		defer close(series)
		c.Collect(series)
	}()
	for each := range series {
		var m dto.Metric
		if each.Write(&m) != nil {
			continue
		}
		all[nameOf(&m, labels)] += m.GetCounter().GetValue() + m.GetGauge().GetValue() // it is one of them
	}
	return all
}

func nameOf(m *dto.Metric, labels []string) (name string) {
	for _, label := range labels {
		for _, pair := range m.GetLabel() {
			if pair.GetName() != label || pair.GetValue() == "" {
				continue
			}
			if name != "" {
				name += " "
			}
			name += pair.GetValue()
		}
	}
	return name
}

func valueOf(c prometheus.Metric) float64 {
	var m dto.Metric
	if c.Write(&m) != nil {
		return 0
	}
	return m.GetCounter().GetValue()
}
