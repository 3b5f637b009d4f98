package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

// A checkpoint is written on request, and each request has an audit line.
func TestACheckpointIsWrittenOnRequest(t *testing.T) {
	var text bytes.Buffer
	var refused error
	o := httpapi.AdminOptions{
		Metrics: http.NotFoundHandler(), Logger: slog.New(slog.NewTextHandler(&text, nil)),
		Checkpoint: func(context.Context) (httpapi.ClusterCheckpoint, error) {
			return httpapi.ClusterCheckpoint{Message: 7, Sequence: 42, Node: "a", Bytes: 9, Written: time.Unix(1, 0).UTC()}, refused
		},
	}
	post := func(o httpapi.AdminOptions, query string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/cluster/checkpoint"+query, nil)
		r.Host = "localhost:80"
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		httpapi.Admin(o).ServeHTTP(w, withLocal(r, "127.0.0.1:80"))
		return w
	}
	w := post(o, "")
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"message":7,"sequence":42,"node":"a","bytes":9,"written":"1970-01-01T00:00:01Z"}`, w.Body.String())
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Contains(t, text.String(), `audit=true action=checkpoint outcome=done target="sequence 42" request_id=`)

	require.Equal(t, 400, post(o, "?keep=1").Code)
	require.Equal(t, 403, post(o, "", "Origin", "https://evil.example").Code)
	require.Equal(t, 405, ask(httpapi.Admin(o), "/cluster/checkpoint", own, own).Code)
	require.Equal(t, 1, bytes.Count(text.Bytes(), []byte("outcome=done")))

	refused = notify.Unavailable(notify.CauseJournal, "this node is 3s behind the journal")
	w = post(o, "")
	require.Equal(t, 503, w.Code)
	require.Contains(t, w.Body.String(), "this node is 3s behind the journal")
	require.Contains(t, text.String(), "audit=true action=checkpoint outcome=refused")
	refused = errors.New("a fault")
	require.Equal(t, 500, post(o, "").Code)
	require.Contains(t, text.String(), "audit=true action=checkpoint outcome=unknown")

	o.Checkpoint = nil
	w = post(o, "")
	require.Equal(t, 404, w.Code)
	require.Contains(t, w.Body.String(), "BELLHOP_NATS_URL is not set")
}

// Like the requests of the API that need no body, those of the admin listener may have an empty object. Anything
// else is a mistake, and changes nothing.
func TestRequestsOfTheAdminListenerHaveNoBody(t *testing.T) {
	log := &fakeLog{httpapi.LogLevel{Level: "info", Configured: "info"}}
	written := 0
	h := httpapi.Admin(httpapi.AdminOptions{
		Metrics: http.NotFoundHandler(), Log: log, Logger: slog.New(slog.DiscardHandler),
		Checkpoint: func(context.Context) (httpapi.ClusterCheckpoint, error) {
			written++
			return httpapi.ClusterCheckpoint{}, nil
		},
	})
	for body, want := range map[string]int{
		"": 200, "{}": 200, " { } ": 200, `{"keep":1}`: 422, "[]": 422, "{": 400, strings.Repeat(" ", 1025): 413,
	} {
		for _, target := range []string{"POST /cluster/checkpoint", "PUT /log-level?level=debug"} {
			method, path, _ := strings.Cut(target, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			r.Host = "localhost:80"
			r.Header.Set("Content-Type", "application/json")
			log.now.Level, written = "info", 0
			w := httptest.NewRecorder()
			h.ServeHTTP(w, withLocal(r, "127.0.0.1:80"))
			require.Equal(t, want, w.Code, "%s with %q: %s", target, body, w.Body)
			require.Equal(t, want == 200, written == 1 || log.now.Level == "DEBUG", "%s with %q", target, body)
			if r.Header.Del("Content-Type"); body == "{}" {
				r.Body = io.NopCloser(strings.NewReader(body))
				w = httptest.NewRecorder()
				h.ServeHTTP(w, withLocal(r, "127.0.0.1:80"))
				require.Equal(t, 415, w.Code)
			}
		}
	}
}
