package app

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/nowait"
)

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// A node that waits for its store is alive, is not ready, and says why. Afterwards another
// server uses the same listener.
func TestANodeThatStartsIsAliveAndNotReady(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	l := listener.(*net.TCPListener)
	url := "http://" + l.Addr().String() + "/base"
	reason := notify.Errorf(notify.ErrUnavailable, "this node restores a checkpoint")
	for range 3 {
		stop := answerStarting(l, nowait.Listen, startingHandler("/base", func() error { return reason }), 16<<10, slog.New(slog.DiscardHandler))
		status, _ := get(t, url+"/livez")
		assert.Equal(t, http.StatusOK, status)
		for _, path := range []string{"/readyz", "/inbox", "/ws"} {
			status, body := get(t, url+path)
			assert.Equal(t, http.StatusServiceUnavailable, status, path)
			assert.Contains(t, body, "this node restores a checkpoint")
			assert.Contains(t, body, "urn:bellhop:problem:unavailable")
		}
		require.NoError(t, stop())
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	status, _ := get(t, url+"/readyz")
	assert.Equal(t, http.StatusTeapot, status)
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-done, http.ErrServerClosed)
}

func TestReasonsThatAreNotForClientsAreHidden(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	secret := errors.New("open /data/store: permission denied")
	stop := answerStarting(listener.(*net.TCPListener), nowait.Listen, startingHandler("", func() error { return secret }), 16<<10, slog.New(slog.DiscardHandler))
	status, body := get(t, "http://"+listener.Addr().String()+"/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.NotContains(t, body, "/data")
	require.NoError(t, stop())
}
