//go:build linux

package server

import "testing"

func TestFindsAMetric(t *testing.T) {
	const text = "# TYPE go_memstats_mallocs_total counter\n" +
		"go_memstats_mallocs_total 1.234567e+06\nbellhop_store_bytes{content=\"removals\"} 7\n" +
		"bellhop_store_bytes{content=\"notifications\"} 1e3\n"
	if got, err := find(text, Mallocs); err != nil || got != 1_234_567 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := find(text, KeptBytes); err != nil || got != 1_007 {
		t.Errorf("the sum is %v, %v", got, err)
	}
	if got, err := find(text, Sequence); err == nil {
		t.Errorf("missing metric: got %v", got)
	}
}
