package store_test

import (
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// BenchmarkEvict measures a transaction of publishes to full histories, each of which evicts the
// oldest notification.
func BenchmarkEvict(b *testing.B) {
	const size = 64
	s := open(b)
	n := 0
	publish := func(count int) {
		entries := publishes(n, count)
		for i := range entries {
			e := entries[i].(notify.Publish)
			e.Keep = 1
			entries[i] = e
		}
		if _, _, err := s.Apply(notify.Sequence(n+1), notify.Stamp(time.Now(), entries...)); err != nil {
			b.Fatal(err)
		}
		n += count
	}
	publish(benchUsers)
	b.ReportAllocs()
	for b.Loop() {
		publish(size)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}
