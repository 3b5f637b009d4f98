package telemetry_test

import (
	"flag"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

var update = flag.Bool("update", false, "write the reference of metrics")

// use calls every method of m, and has samples observed, so that every metric has a value.
func use(m *telemetry.Metrics) {
	m.Opened("websocket")
	m.Opened("websocket")
	m.Opened("events")
	m.Closed("websocket", notify.CloseExpired)
	m.Closed("events", notify.CloseRestart(20*time.Second))
	m.Delivered(3)
	m.Delayed(3 * time.Millisecond)
	m.Delayed(-time.Second) // the clock of another machine is ahead
	m.Dropped(4, "too-slow")
	m.Committed(5, 0.002)
	m.Synced(time.Millisecond)
	m.Published(notify.AudienceUser, "stored")
	m.Stored(2 * time.Millisecond)
	m.Replayed(12)
	m.Reset("truncated")
	m.Ticket("redeemed")
	m.Upkeep("purge", 2*time.Millisecond, false)
	m.Upkeep("purge", time.Millisecond, true)
	m.Answered("publish", 200)
	m.Refused("limit", "requests", "")
	m.Refused("unavailable", "", notify.CauseDiskFull)
	m.RequestDone("/notify", 202, 0.001)
	m.Observe(func() []telemetry.Sample {
		return []telemetry.Sample{
			{Name: "bellhop_store_disk_bytes", Value: 7},
			{Name: "bellhop_store_compactions_total", Value: 2},
			{Name: "bellhop_issuer_keys", Value: 1, LabelValue: "https://a"},
			{Name: "bellhop_issuer_keys", Value: 2, LabelValue: "https://b"},
		}
	})
}

func TestCounts(t *testing.T) {
	m := telemetry.New(telemetry.Build{Version: "v1", Revision: "abc", Go: "go1"})
	use(m)
	text := scrape(t, m, "")
	for _, line := range []string{
		`bellhop_build_info{go_version="go1",revision="abc",version="v1"} 1`,
		`bellhop_connections{transport="websocket"} 1`,
		`bellhop_connections{transport="events"} 0`,
		`bellhop_connections_closed_total{code="1012",reason="restart"} 1`,
		`bellhop_connections_closed_total{code="4401",reason="token-expired"} 1`,
		`bellhop_commands_total{command="publish",status="200"} 1`,
		`bellhop_connections_opened_total{transport="websocket"} 2`,
		"bellhop_deliveries_total 3",
		"bellhop_delivery_duration_seconds_count 2",
		"bellhop_delivery_duration_seconds_sum 0.003",
		`bellhop_drops_total{reason="too-slow"} 4`,
		`bellhop_http_requests_total{route="/notify",status="202"} 1`,
		`bellhop_http_request_duration_seconds_count{route="/notify"} 1`,
		"bellhop_journal_group_entries_sum 5",
		"bellhop_journal_commit_duration_seconds_count 1",
		"bellhop_store_sync_duration_seconds_sum 0.001",
		"bellhop_publish_duration_seconds_sum 0.002",
		`bellhop_publishes_total{audience="user",outcome="stored"} 1`,
		`bellhop_publishes_total{audience="all",outcome="refused"} 0`,
		`bellhop_refusals_total{cause="",limit="requests",problem="limit"} 1`,
		`bellhop_refusals_total{cause="disk-full",limit="",problem="unavailable"} 1`,
		"bellhop_replay_notifications_sum 12",
		`bellhop_resets_total{reason="truncated"} 1`,
		`bellhop_tickets_total{outcome="redeemed"} 1`,
		`bellhop_upkeep_runs_total{outcome="failed",task="purge"} 1`,
		`bellhop_upkeep_duration_seconds_sum{task="purge"} 0.003`,
		"# TYPE bellhop_store_disk_bytes gauge\nbellhop_store_disk_bytes 7",
		"# TYPE bellhop_store_compactions_total counter\nbellhop_store_compactions_total 2",
		`bellhop_issuer_keys{issuer="https://b"} 2`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
	for _, name := range []string{"go_goroutines ", "process_"} {
		if !strings.Contains(text, name) {
			t.Errorf("metrics lack %s", name)
		}
	}
}

func TestServicesShareNoRegistry(t *testing.T) {
	for range 2 {
		m := telemetry.New(telemetry.Build{})
		m.Committed(5, 0.002)
		if text := scrape(t, m, ""); !strings.Contains(text, "\nbellhop_journal_group_entries_sum 5\n") {
			t.Error("another service has counted here")
		}
	}
}

// A name that is not defined fails the scrape: tests of the service notice it.
func TestSamplesMustBeDefined(t *testing.T) {
	for _, s := range []telemetry.Sample{{Name: "bellhop_users"}, {Name: "bellhop_issuer_keys", LabelValue: "not UTF-8: \xff"}} {
		m := telemetry.New(telemetry.Build{})
		m.Observe(func() []telemetry.Sample { return []telemetry.Sample{s} })
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		if w.Code != 500 {
			t.Errorf("%+v: status %d", s, w.Code)
		}
	}
}

func TestOpenMetricsAndNativeHistogramsAreServedOnRequest(t *testing.T) {
	m := telemetry.New(telemetry.Build{})
	use(m)
	text := scrape(t, m, "application/openmetrics-text; version=1.0.0")
	if !strings.HasSuffix(text, "\n# EOF\n") || !strings.Contains(text, "\n# TYPE bellhop_drops counter\n") {
		t.Errorf("this is not OpenMetrics: %.300s", text)
	}
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		h := f.GetMetric()[0].GetHistogram()
		if h == nil || !strings.HasPrefix(f.GetName(), "bellhop_") {
			continue
		}
		if len(h.GetBucket()) == 0 || h.Schema == nil || len(h.GetPositiveSpan()) == 0 {
			t.Errorf("%s is not both a classic and a native histogram", f.GetName())
		}
	}
}

// The reference in metrics.md must equal that of the code. -update writes it.
func TestTheReferenceListsAllMetrics(t *testing.T) {
	const path, open, shut = "../../cmd/bellhop/metrics.md", "<!-- metrics -->\n", "<!-- /metrics -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), open)
	table, after, closed := strings.Cut(rest, shut)
	if !found || !closed {
		t.Fatalf("%s must have a line %q and, below it, a line %q", path, strings.TrimSpace(open), shut)
	}
	if table != telemetry.Markdown() {
		if !*update {
			t.Fatalf("%s is outdated: run go test ./internal/telemetry -update", path)
		}
		if err := os.WriteFile(path, []byte(before+open+telemetry.Markdown()+shut+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every metric that the reference lists exists, with this type and these labels, and no other.
func TestTheReferenceDescribesWhatIsGathered(t *testing.T) {
	m := telemetry.New(telemetry.Build{})
	use(m)
	listed := telemetry.Definitions()
	var samples []telemetry.Sample // of the metrics that have no value yet
	for name := range without(listed, gather(t, m)) {
		value := ""
		if len(listed[name].Labels) > 0 {
			value = "x"
		}
		samples = append(samples, telemetry.Sample{Name: name, LabelValue: value})
	}
	m.Observe(func() []telemetry.Sample { return samples })
	gathered := gather(t, m)
	for name := range without(listed, gathered) {
		t.Errorf("%s does not exist", name)
	}
	for name := range without(gathered, listed) {
		t.Errorf("the reference lacks %s", name)
	}
	for name, want := range listed {
		got := gathered[name]
		slices.Sort(want.Labels)
		if got.Type != want.Type || !slices.Equal(got.Labels, want.Labels) {
			t.Errorf("%s is %+v, and the reference says %+v", name, got, want)
		}
		if row := "| `" + name + "` | " + want.Type + " |"; !strings.Contains(telemetry.Markdown(), row) {
			t.Errorf("the reference has no row %q", row)
		}
	}
	problems, err := promlint.New(strings.NewReader(scrape(t, m, ""))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "bellhop_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// without returns the entries of all whose keys are not in others.
func without(all, others map[string]telemetry.Definition) map[string]telemetry.Definition {
	rest := maps.Clone(all)
	maps.DeleteFunc(rest, func(name string, _ telemetry.Definition) bool { _, ok := others[name]; return ok })
	return rest
}

// gather returns the type and the labels of each metric of bellhop.
func gather(t *testing.T, m *telemetry.Metrics) map[string]telemetry.Definition {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]telemetry.Definition{}
	for _, f := range families {
		d := telemetry.Definition{Type: strings.ToLower(f.GetType().String())}
		for _, l := range f.GetMetric()[0].GetLabel() {
			d.Labels = append(d.Labels, l.GetName())
		}
		if strings.HasPrefix(f.GetName(), "bellhop_") {
			all[f.GetName()] = d
		}
	}
	return all
}

func scrape(t *testing.T, m *telemetry.Metrics, accept string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	m.Handler().ServeHTTP(w, r)
	return w.Body.String()
}
