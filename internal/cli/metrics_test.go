package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestMetricsArePrintedByPartsOfTheirNames(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP bellhop_disk_free_bytes Free.\n# TYPE bellhop_disk_free_bytes gauge\n" +
			"bellhop_disk_free_bytes 1.2345e+10\nbellhop_sync_seconds_bucket{le=\"1\"} 4\nbellhop_sync_seconds_count 4\n" +
			"bellhop_loaded_timestamp_seconds{file=\"a disk\"} 1.7640288e+09\nbellhop_never_timestamp_seconds 0\ngo_threads 7\n"))
	}))
	defer s.Close()
	for _, test := range []struct {
		parts []string
		want  string
	}{
		{[]string{"disk"}, "bellhop_disk_free_bytes 12345000000 (12.3 GB)\n"},
		{[]string{"go_", "sync"}, "bellhop_sync_seconds_count 4\ngo_threads 7\n"},
		{[]string{"timestamp"}, "bellhop_loaded_timestamp_seconds{file=\"a disk\"} 1764028800 (2025-11-25T00:00:00Z)\nbellhop_never_timestamp_seconds 0\n"},
		{nil, "bellhop_disk_free_bytes 12345000000 (12.3 GB)\nbellhop_sync_seconds_count 4\n" +
			"bellhop_loaded_timestamp_seconds{file=\"a disk\"} 1764028800 (2025-11-25T00:00:00Z)\nbellhop_never_timestamp_seconds 0\n"},
	} {
		got := bellhop(t, nil, append([]string{"metrics", "--admin", s.URL}, test.parts...)...)
		got.want(t, 0)
		if got.stdout != test.want {
			t.Errorf("%q: printed %q, want %q", test.parts, got.stdout, test.want)
		}
	}
	bellhop(t, nil, "metrics", "--admin", s.URL, "absent", "gone").want(t, 1, "no metric has absent or gone in its name")
}

// growing answers with metrics that grow with each request, and with the given start of the process.
func growing(t *testing.T, started func(n int64) int64) (url string) {
	t.Helper()
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := requests.Add(1)
		_, _ = fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n"+
			"# TYPE bellhop_queued_bytes gauge\nbellhop_queued_bytes %d\n"+
			"# TYPE bellhop_drops_total counter\nbellhop_drops_total{reason=\"too-slow\"} %d\nbellhop_drops_total{reason=\"drained\"} 5\n"+
			"# TYPE bellhop_sync_seconds histogram\n"+
			"bellhop_sync_seconds_bucket{task=\"a\",le=\"0.1\"} %d\nbellhop_sync_seconds_bucket{task=\"a\",le=\"0.4\"} %d\nbellhop_sync_seconds_bucket{task=\"a\",le=\"+Inf\"} %d\n"+
			"bellhop_sync_seconds_sum{task=\"a\"} %d\nbellhop_sync_seconds_count{task=\"a\"} %d\n"+
			"# TYPE bellhop_group_entries histogram\n"+
			"bellhop_group_entries_bucket{le=\"8\"} 10\nbellhop_group_entries_bucket{le=\"+Inf\"} %d\nbellhop_group_entries_sum %d\nbellhop_group_entries_count %d\n",
			started(n), 2000*n, 3*n, 1000+90*n, 1000+100*n, 1000+100*n, 1000*n, 1000+100*n, 10+n, 10*n, 10+n)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestTheGrowthOfMetricsIsPrinted(t *testing.T) {
	url := growing(t, func(int64) int64 { return 7 })
	got := bellhop(t, nil, "metrics", "--admin", url, "--over", "1ms")
	got.want(t, 0)
	want := "bellhop_queued_bytes 4000 (4.0 kB)\n" +
		"bellhop_drops_total{reason=\"too-slow\"} +3\n" +
		"bellhop_sync_seconds_count{task=\"a\"} +100, mean 10s, 99 % up to 400ms\n" +
		"bellhop_group_entries_count +1, mean 10, 99 % over 8\n"
	if got.stdout != want {
		t.Errorf("printed %q, want %q", got.stdout, want)
	}
	bellhop(t, nil, "metrics", "--admin", url, "--over", "1ms", "absent").want(t, 1, "no metric has absent in its name")
	restarted := growing(t, func(n int64) int64 { return n })
	bellhop(t, nil, "metrics", "--admin", restarted, "--over", "1ms").want(t, 1, "the service was restarted meanwhile")
}
