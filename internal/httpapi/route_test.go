package httpapi_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
)

func TestUnknownPaths(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/", "/users/ada/", "/inbox/", "/inbox/recall", "/tickets/1", "/notify/", "/notify/other", "/notification/1", "/metrics", "/debug/pprof/", "/LIVEZ"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			s.problem(s.do(method, path, ""), 404, "not-found")
		}
	}
	for _, o := range s.metrics.all() {
		require.Equal(t, observation{"other", 404}, o)
	}
}

func TestOtherMethods(t *testing.T) {
	s := start(t)
	for path, allow := range map[string]string{
		"/notify":       "OPTIONS, POST",
		"/notify/batch": "OPTIONS, POST",
		"/ws":           "OPTIONS, GET",
		"/inbox":        "OPTIONS, GET",
		"/inbox/unread": "OPTIONS, POST",
		"/livez":        "OPTIONS, GET, HEAD",
		"/readyz":       "OPTIONS, GET, HEAD",
		"/openapi.yaml": "OPTIONS, GET, HEAD",
	} {
		a := s.do("PUT", path, "")
		s.problem(a, 405, "method")
		require.Equal(t, allow, a.Header.Get("Allow"))

		a = s.do("OPTIONS", path, "")
		require.Equal(t, http.StatusNoContent, a.StatusCode)
		require.Equal(t, allow, a.Header.Get("Allow"))
	}
	require.Equal(t, http.StatusMethodNotAllowed, s.do("HEAD", "/ws", "").StatusCode)
}

func TestEverythingElseTakesSmallBodies(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/livez", "/openapi.yaml", "/ws", "/nowhere"} {
		s.problem(s.do("GET", path, strings.Repeat("x", 64<<10+1)), 413, "too-large")
	}
	require.Equal(t, http.StatusOK, s.do("GET", "/livez", strings.Repeat("x", 64<<10)).StatusCode)
}

func TestDocument(t *testing.T) {
	want, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	here, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), string(here), "run go generate ./internal/httpapi")

	s := start(t)
	a := s.do("GET", "/openapi.yaml", "")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "application/yaml", a.Header.Get("Content-Type"))
	require.Equal(t, string(want), string(a.body))

	a = s.do("HEAD", "/openapi.yaml", "")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, int64(len(want)), a.ContentLength)
}

func TestBasePath(t *testing.T) {
	s := start(t, func(o *httpapi.Options) {
		o.BasePath = "/bell"
		o.Pages = map[string]http.Handler{"/": echoPath, "/demo/*": echoPath}
	})
	require.Equal(t, http.StatusAccepted, s.do("POST", "/notify", toAda).StatusCode)
	require.Equal(t, http.StatusOK, s.do("GET", "/livez", "").StatusCode)
	require.Equal(t, "/", string(s.do("GET", "/", "").body))
	require.Equal(t, "/demo/a/b.js", string(s.do("GET", "/demo/a/b.js", "").body))
	require.Equal(t, http.StatusMethodNotAllowed, s.do("POST", "/demo/a", "").StatusCode)
	require.Equal(t, "/notify", s.publisher.calls[0].Path)
	require.Contains(t, s.metrics.all(), observation{"/notify", 202})
	require.Contains(t, s.metrics.all(), observation{"/demo/*", 200})

	s.url = strings.TrimSuffix(s.url, "/bell")
	require.Equal(t, http.StatusNotFound, s.do("GET", "/livez", "").StatusCode)
}

var echoPath = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
