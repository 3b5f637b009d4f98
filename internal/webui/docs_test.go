package webui_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/webui"
)

func TestDocs(t *testing.T) {
	h := webui.Docs()
	for path, want := range map[string]struct{ file, contentType string }{
		"/docs":               {"docs/index.html", "text/html; charset=utf-8"},
		"/docs/docs.js":       {"docs/docs.js", "text/javascript; charset=utf-8"},
		"/docs/docs.css":      {"docs/docs.css", "text/css; charset=utf-8"},
		"/docs/icon.svg":      {"docs/icon.svg", "image/svg+xml; charset=utf-8"},
		"/docs/LICENSE":       {"docs/vendor/LICENSE", "text/plain; charset=utf-8"},
		"/docs/asyncapi.yaml": {"client/asyncapi.yaml", "application/yaml"},
	} {
		content, err := os.ReadFile(want.file)
		require.NoError(t, err)
		a := get(h, path)
		require.Equal(t, http.StatusOK, a.Code, path)
		require.Equal(t, string(content), a.Body.String(), path)
		require.Equal(t, want.contentType, a.Header().Get("Content-Type"), path)
		require.Empty(t, a.Header().Get("Content-Encoding"), path)
		revalidates(t, h, path)
	}
	for _, path := range []string{"/docs/", "/docs/index.html", "/docs/swagger-ui.css.gz", "/docs/vendor/LICENSE", "/asyncapi.yaml"} {
		require.Equal(t, http.StatusNotFound, get(h, path).Code, path)
	}
}

// A compressed file is sent as it is to clients that accept gzip, and unpacked to others.
func TestCompressedDocs(t *testing.T) {
	h := webui.Docs()
	for path, contentType := range map[string]string{
		"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
		"/docs/swagger-ui.css":       "text/css; charset=utf-8",
	} {
		packed, err := os.ReadFile("docs/vendor/" + strings.TrimPrefix(path, "/docs/") + ".gz")
		require.NoError(t, err)
		a := get(h, path, "Accept-Encoding", "gzip")
		require.Equal(t, http.StatusOK, a.Code)
		require.Equal(t, contentType, a.Header().Get("Content-Type"))
		require.Equal(t, "gzip", a.Header().Get("Content-Encoding"))
		require.Equal(t, "Accept-Encoding", a.Header().Get("Vary"))
		require.True(t, bytes.Equal(packed, a.Body.Bytes()))
		revalidates(t, h, path, "Accept-Encoding", "gzip")

		b := get(h, path)
		require.Equal(t, http.StatusOK, b.Code)
		require.Equal(t, contentType, b.Header().Get("Content-Type"))
		require.Empty(t, b.Header().Get("Content-Encoding"))
		require.Equal(t, "Accept-Encoding", b.Header().Get("Vary"))
		require.NotEqual(t, a.Header().Get("ETag"), b.Header().Get("ETag"), "each representation has its own")
		r, err := gzip.NewReader(bytes.NewReader(packed))
		require.NoError(t, err)
		want, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, b.Body.Bytes()))
		revalidates(t, h, path)
	}
}

func TestAcceptEncoding(t *testing.T) {
	h := webui.Docs()
	for accept, takes := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip; q=1": true,
		"": false, "br": false, "gzip;q=0": false, "x-gzip-like": false, "gzip;q=": false,
	} {
		a := do(h, http.MethodHead, "/docs/swagger-ui.css", "Accept-Encoding", accept)
		require.Equal(t, takes, a.Header().Get("Content-Encoding") == "gzip", accept)
	}
}

func revalidates(t *testing.T, h http.Handler, path string, headers ...string) {
	t.Helper()
	a := get(h, path, headers...)
	require.Equal(t, "no-cache", a.Header().Get("Cache-Control"), path)
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Header.Set("If-None-Match", a.Header().Get("ETag"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusNotModified, w.Code, path)
	require.Empty(t, w.Body.Bytes(), path)
}

func TestDocsPolicy(t *testing.T) {
	h := webui.Docs()
	for _, path := range []string{"/docs", "/docs/docs.js", "/docs/swagger-ui-bundle.js", "/docs/nothing"} {
		a := get(h, path)
		policy := a.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'self'; ", path)
		require.NotContains(t, policy, "unsafe", path)
		require.NotContains(t, policy, "http", "no other host")
		require.NotContains(t, strings.Replace(policy, "img-src 'self' data:", "", 1), "data:", path)
		require.Equal(t, "nosniff", a.Header().Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", a.Header().Get("Referrer-Policy"), path)
	}
}

// Every file that the page loads exists, at a path relative to the page, so that a base path
// may precede it.
func TestFilesOfTheDocsExist(t *testing.T) {
	h := webui.Docs()
	links := regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(get(h, "/docs").Body.String(), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		if link[1] != "openapi.yaml" { // package httpapi's
			require.Equal(t, http.StatusOK, get(h, "/"+link[1]).Code, link[1])
		}
	}
}
