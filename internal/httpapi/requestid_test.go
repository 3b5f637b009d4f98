package httpapi_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// invalidIDs are values of X-Request-Id that are not adopted.
var invalidIDs = map[string]string{
	"empty": "", "long": strings.Repeat("a", 65), "space": "a b", "quote": `a"b`, "slash": "a/b", "colon": "a:b", "not ASCII": "ü",
}

// The ID of a caller is in the answer to any request, and the instance of a problem stays a
// UUID of the service, so that no caller can choose it.
func TestRequestIDsAreAdopted(t *testing.T) {
	s := start(t)
	for _, id := range []string{"a", "checkout_7.3-A", strings.Repeat("Z", 64), "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"} {
		require.Equal(t, id, s.do("POST", "/notify", toAda, "X-Request-Id", id).Header.Get("X-Request-Id"))
		require.Equal(t, id, s.do("GET", "/livez", "", "X-Request-Id", id).Header.Get("X-Request-Id"))
		a := s.do("GET", "/nowhere", "", "X-Request-Id", id)
		require.Equal(t, id, a.Header.Get("X-Request-Id"))
		instance := instanceOf(t, a)
		require.NotEqual(t, id, instance)
		require.NotEqual(t, instance, instanceOf(t, s.do("GET", "/nowhere", "", "X-Request-Id", id)), "each request has its own")
	}
}

// instanceOf returns the UUID in the instance of a problem.
func instanceOf(t *testing.T, a answer) string {
	t.Helper()
	_, rest, found := strings.Cut(string(a.body), `"instance":"urn:uuid:`)
	require.True(t, found, "%s", a.body)
	id, err := uuid.Parse(rest[:36])
	require.NoError(t, err)
	return id.String()
}

func TestInvalidRequestIDsAreIgnored(t *testing.T) {
	s := start(t)
	for name, id := range invalidIDs {
		t.Run(name, func(t *testing.T) {
			a := s.do("GET", "/nowhere", "", "X-Request-Id", id)
			require.Equal(t, a.Header.Get("X-Request-Id"), instanceOf(t, a))
		})
	}
	a := s.do("GET", "/nowhere", "", "X-Request-Id", "one", "X-Request-Id", "two")
	require.Equal(t, a.Header.Get("X-Request-Id"), instanceOf(t, a))
}

// Problems of the items of a batch have the instance of the request.
func TestProblemsInABatchHaveTheInstanceOfTheRequest(t *testing.T) {
	s := start(t)
	s.publisher.results = []service.Result{{Err: notify.ErrScope}, {Err: notify.ErrScope}}
	a := s.do("POST", "/notify/batch", `{"notifications":[`+toAda+`,`+toAda+`]}`, "X-Request-Id", "batch-1")
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	require.Equal(t, 2, strings.Count(string(a.body), instanceOf(t, a)))
}

func TestAdminAndWaitingListenersAdoptRequestIDs(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"admin":   admin(httpapi.AdminOptions{}),
		"waiting": httpapi.Waiting("", func() error { return nil }, slog.New(slog.DiscardHandler)),
	} {
		t.Run(name, func(t *testing.T) {
			for id, adopted := range map[string]bool{"deploy-1": true, "deploy 1": false} {
				w := ask(h, "/nowhere", own, own, "X-Request-Id", id)
				got := w.Header().Get("X-Request-Id")
				require.Equal(t, adopted, got == id)
				require.Equal(t, adopted, !strings.Contains(w.Body.String(), got), "%s", w.Body)
			}
		})
	}
}

// A line about a request has the ID of its answer, the UUID if that differs, and the trace.
func TestLogLinesHaveTheIDsOfTheRequest(t *testing.T) {
	s := start(t)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	a := s.do("GET", "/nowhere", "", "X-Request-Id", "checkout-1", "traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	require.Contains(t, s.logs.String(), "request_id=checkout-1 instance="+instanceOf(t, a)+" trace="+trace)
	a = s.do("GET", "/nowhere", "", "traceparent", "00-"+trace)
	require.Contains(t, s.logs.String(), "request_id="+instanceOf(t, a)+" method")
}
