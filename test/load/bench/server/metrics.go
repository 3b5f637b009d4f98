//go:build linux

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Metrics of a service that the tool reads.
const (
	Mallocs   = "go_memstats_mallocs_total" // objects allocated since the start
	Sequence  = "bellhop_journal_sequence"  // the last durable sequence
	DiskBytes = "bellhop_store_disk_bytes"
	LogBytes  = "bellhop_store_log_bytes_total" // written to the journal since the start

	LastCheckpoint = "bellhop_checkpoint_last_timestamp_seconds" // of a cluster

	Goroutines = "go_goroutines"
	OpenFiles  = "process_open_fds"
	KeptBytes  = "bellhop_store_bytes" // of all contents, before compression
)

// Metric returns the current value of one of the service's metrics: the sum, if it has labels.
func (s *Server) Metric(ctx context.Context, name string) (value float64, err error) {
	text, err := s.getAdmin(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	return find(string(text), name)
}

// Heap returns the bytes of the heap of the service right after a garbage collection.
func (s *Server) Heap(ctx context.Context) (float64, error) {
	text, err := s.getAdmin(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	return find(strings.ReplaceAll(string(text), "# HeapAlloc = ", "HeapAlloc "), "HeapAlloc")
}

// Profile returns a CPU profile of the service over the given time, in pprof's format.
func (s *Server) Profile(ctx context.Context, lasts time.Duration) ([]byte, error) {
	return s.getAdmin(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(lasts.Seconds())))
}

// getAdmin returns the response body of the service's admin listener for path.
func (s *Server) getAdmin(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin.String()+path, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	answer, err := (&http.Client{}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s: %.300q", path, answer.Status, body)
	}
	return body, nil
}

// find returns the sum of the values of a metric in Prometheus' text format.
func find(text, name string) (sum float64, err error) {
	found := false
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key, _, _ = strings.Cut(key, "{"); key != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("the metric %s: %w", name, err)
		}
		found, sum = true, sum+v
	}
	if !found {
		return 0, fmt.Errorf("no metric %s in %.300q", name, text)
	}
	return sum, nil
}
