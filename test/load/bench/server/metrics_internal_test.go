//go:build linux

package server

import "testing"

func TestFindsAMetric(t *testing.T) {
	const text = "# TYPE go_memstats_mallocs_total counter\n" +
		"go_memstats_mallocs_total 1.234567e+06\nbellhop_drops_total{reason=\"slow\"} 7\n"
	if got, err := find(text, Mallocs); err != nil || got != 1_234_567 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := find(text, Sequence); err == nil {
		t.Errorf("missing metric: got %v", got)
	}
}
