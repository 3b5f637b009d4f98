package service_test

import (
	"maps"
	"sync"
	"time"
)

// countedMetrics counts tickets and runs of upkeep by their labels.
type countedMetrics struct {
	noMetrics

	mu     sync.Mutex
	counts map[string]int
}

func (m *countedMetrics) Ticket(outcome string) { m.count("ticket " + outcome) }

func (m *countedMetrics) Upkeep(task string, _ time.Duration, failed bool) {
	if failed {
		task += " failed"
	}
	m.count(task)
}

func (m *countedMetrics) count(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = map[string]int{}
	}
	m.counts[what]++
}

func (m *countedMetrics) all() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts)
}
