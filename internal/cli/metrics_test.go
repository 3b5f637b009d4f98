package cli_test

import (
	"net/http"
	"net/http/httptest"
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
