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
)

// What the tool asks a service for.
const (
	Mallocs   = "go_memstats_mallocs_total" // objects allocated since the start
	Sequence  = "bellhop_journal_sequence"  // the last durable one
	DiskBytes = "bellhop_store_disk_bytes"
)

// Metric returns one of a service's own metrics, as it is now.
func (s *Server) Metric(ctx context.Context, name string) (value float64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin.String()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	request.Close = true
	answer, err := (&http.Client{}).Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask for metrics: %w", err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	return find(string(text), name)
}

// find returns the value of a metric without labels in Prometheus' text format.
func find(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), " "); found && key == name {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s in %.300q", name, text)
}
