package telemetry_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

func TestCounts(t *testing.T) {
	m := telemetry.New(telemetry.Build{Version: "v1", Revision: "abc", Go: "go1"})
	m.Opened()
	m.Opened()
	m.Opened()
	m.Closed(notify.CloseExpired)
	m.Closed(notify.CloseRestart(20 * time.Second))
	m.Delivered(3)
	m.Dropped(4, "too-slow")
	m.Published(notify.AudienceUser, "stored")
	m.Answered("publish", 200)
	m.RequestDone("/notify", 202, 0.001)
	m.Observe(func() []telemetry.Sample {
		return []telemetry.Sample{
			{Name: "bellhop_store_bytes", Help: "Size.", Value: 7},
			{Name: "bellhop_store_flushes_total", Help: "Flushes.", Value: 2, Counter: true},
		}
	})
	text := scrape(t, m)
	for _, line := range []string{
		`bellhop_build_info{go_version="go1",revision="abc",version="v1"} 1`,
		"bellhop_connections 1",
		`bellhop_connections_closed_total{code="1012",reason="restart"} 1`,
		`bellhop_connections_closed_total{code="4401",reason="token-expired"} 1`,
		`bellhop_commands_total{command="publish",status="200"} 1`,
		"bellhop_connections_opened_total 3",
		"bellhop_deliveries_total 3",
		`bellhop_drops_total{reason="too-slow"} 4`,
		`bellhop_http_requests_total{route="/notify",status="202"} 1`,
		`bellhop_publishes_total{audience="user",outcome="stored"} 1`,
		"# TYPE bellhop_store_bytes gauge\nbellhop_store_bytes 7",
		"# TYPE bellhop_store_flushes_total counter\nbellhop_store_flushes_total 2",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "bellhop_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return w.Body.String()
}

func TestHandlerServesTwoServices(t *testing.T) {
	for range 2 { // no registry is shared
		m := telemetry.New(telemetry.Build{})
		m.Committed(5, 0.002)
		m.RequestDone("/notify", 202, 0.001)
		text := scrape(t, m)
		for _, line := range []string{
			"bellhop_journal_group_entries_sum 5",
			"bellhop_journal_commit_duration_seconds_count 1",
			`bellhop_http_request_duration_seconds_count{route="/notify"} 1`,
			"go_goroutines ",
			"process_",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("metrics lack %s", line)
			}
		}
	}
}
