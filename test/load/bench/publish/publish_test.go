//go:build linux

package publish_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/publish"
)

func run(t *testing.T, answer http.HandlerFunc, notifications int) (publish.Result, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	defer server.Close()
	return publish.Run(t.Context(), publish.Options{
		Server:     netip.MustParseAddrPort(server.Listener.Addr().String()),
		Publishers: 3,
		Epoch:      time.Now(),
		For:        time.Minute,
		Most:       50,
		Source: func(dst []byte, publisher int, _ time.Duration) ([]byte, int) {
			body := strings.Repeat("x", 20_000)
			return fmt.Appendf(dst, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
				publisher, len(body), body), notifications
		},
	})
}

func TestRunEndsAfterTheMaximumOfRequests(t *testing.T) {
	var received atomic.Int64
	result, err := run(t, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && len(body) == 20_000 {
			received.Add(1)
		}
		w.WriteHeader(http.StatusAccepted)
	}, 1)
	if err != nil || received.Load() != 50 || result.Requests != 50 || result.Answers.Count() != 50 {
		t.Errorf("%d received, %d requests, %d responses, %v",
			received.Load(), result.Requests, result.Answers.Count(), err)
	}
}

func TestLongChunkedResponseOfABatch(t *testing.T) {
	result, err := run(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		for range 100 {
			_, _ = fmt.Fprintf(w, `{"status":202,"id":%q}`, strings.Repeat("i", 1_000))
		}
	}, 100)
	if err != nil || result.Notifications != 50*100 {
		t.Errorf("%d notifications, %v", result.Notifications, err)
	}
}

func TestRefusedRequestEndsTheRun(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) },
		"one in a batch": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"status":202}{"status":422}`)
		},
	} {
		if _, err := run(t, answer, 2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
