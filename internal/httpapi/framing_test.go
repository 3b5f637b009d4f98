package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
)

// A connection of which it is not known what net/http hides, such as one over TLS,
// is closed after a chunked request.
func TestChunkedRequestsOfUnknownConnections(t *testing.T) {
	server := httpapi.NewServer(http.NotFoundHandler(), 16<<10, slog.New(slog.DiscardHandler))
	for name, want := range map[string]string{"": "", "chunked": "close"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
		if name != "" {
			r.TransferEncoding = []string{name}
		}
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Header().Get("Connection"), name)
	}
}
