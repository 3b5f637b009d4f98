package webui_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/webui"
)

func TestClient(t *testing.T) {
	h := webui.Client()
	for path, contentType := range map[string]string{
		"/client.js":   "text/javascript; charset=utf-8",
		"/client.d.ts": "text/plain; charset=utf-8",
		"/inbox.js":    "text/javascript; charset=utf-8",
		"/inbox.d.ts":  "text/plain; charset=utf-8",
	} {
		want, err := os.ReadFile("client/dist" + path)
		require.NoError(t, err)
		a := get(h, path)
		require.Equal(t, http.StatusOK, a.Code)
		require.Equal(t, string(want), a.Body.String())
		require.Equal(t, contentType, a.Header().Get("Content-Type"))
		require.Equal(t, "no-cache", a.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", a.Header().Get("X-Content-Type-Options"))

		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", a.Header().Get("ETag"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusNotModified, w.Code)
	}
	require.Equal(t, http.StatusNotFound, get(h, "/client.css").Code)
}
