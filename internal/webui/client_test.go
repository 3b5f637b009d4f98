package webui_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/webui"
)

func TestClient(t *testing.T) {
	h := webui.Client()
	for _, file := range webui.ClientPaths() {
		contentType := "text/javascript; charset=utf-8"
		if strings.HasSuffix(file, ".d.ts") {
			contentType = "text/plain; charset=utf-8"
		}
		want, err := os.ReadFile("client/dist" + file)
		require.NoError(t, err)
		a := get(h, file)
		require.Equal(t, http.StatusOK, a.Code)
		require.Equal(t, string(want), a.Body.String())
		require.Equal(t, contentType, a.Header().Get("Content-Type"))
		require.Equal(t, "no-cache", a.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", a.Header().Get("X-Content-Type-Options"))

		r := httptest.NewRequest(http.MethodGet, file, nil)
		r.Header.Set("If-None-Match", a.Header().Get("ETag"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusNotModified, w.Code)
	}
	require.Equal(t, http.StatusNotFound, get(h, "/client.css").Code)

	files, err := os.ReadDir("client/dist")
	require.NoError(t, err)
	var built []string
	for _, f := range files {
		built = append(built, path.Join("/", f.Name()))
	}
	require.ElementsMatch(t, built, webui.ClientPaths(), "every file that is built is served")
}
