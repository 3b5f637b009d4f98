package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

// A waiting node is alive, answers everything else with the reason, and still does so to a
// request that arrived a moment before it became ready.
func TestWaiting(t *testing.T) {
	var reason error
	h := httpapi.Waiting("/bell", func() error { return reason }, slog.New(slog.DiscardHandler))
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return w
	}
	for _, reason = range []error{notify.Errorf(notify.ErrUnavailable, "it restores a checkpoint"), nil} {
		require.Equal(t, http.StatusOK, get("/bell/livez").Code)
		for _, path := range []string{"/bell/readyz", "/bell/inbox", "/livez"} {
			w := get(path)
			require.Equal(t, http.StatusServiceUnavailable, w.Code, path)
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			if reason != nil {
				require.Contains(t, w.Body.String(), "it restores a checkpoint")
			}
		}
	}
}

// Operators can look for the reason on the admin listener of a waiting node. It protects these
// paths as later.
func TestTheAdminListenerOfAWaitingNodeHasWhatShowsTheReason(t *testing.T) {
	o := httpapi.AdminOptions{
		Metrics:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("figures")) }),
		Profiles: true, Log: &fakeLog{}, Logger: slog.New(slog.DiscardHandler),
		Console: httpapi.ConsoleOptions{Access: "local", Page: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})},
	}
	h := httpapi.WaitingAdmin(o, func() error { return notify.Errorf(notify.ErrUnavailable, "it restores a checkpoint") })
	for path, want := range map[string]int{
		"/metrics": 200, "/log-level": 200, "/debug/pprof/goroutine?debug=1": 200, "/livez": 200,
		"/": 302, "/console": 200, "/console/console.js": 200, "/console/events": 503, "/console/api/users/ada/topics": 503,
		"/log-user?user=ada": 503, "/cluster": 503, "/backup": 503, "/other": 503,
	} {
		w := ask(h, path, own, own)
		require.Equal(t, want, w.Code, path)
		if want == 503 {
			require.Contains(t, w.Body.String(), "it restores a checkpoint")
		}
	}
	require.Equal(t, http.StatusMisdirectedRequest, ask(h, "/metrics", own, "evil.example").Code)
	require.Equal(t, http.StatusMisdirectedRequest, ask(h, "/console", own, "evil.example").Code)
	o.Console.Access = "off"
	h = httpapi.WaitingAdmin(o, func() error { return notify.Errorf(notify.ErrUnavailable, "it restores a checkpoint") })
	require.Equal(t, http.StatusServiceUnavailable, ask(h, "/console", own, own).Code)
}
