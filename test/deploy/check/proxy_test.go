package check

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeNode answers with its name, and is ready while ready is true.
func fakeNode(t *testing.T, name string, ready *atomic.Bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/readyz":
			_, _ = io.WriteString(w, name+" "+r.Header.Get("X-Forwarded-For"))
		case !ready.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// The proxy sends requests to nodes that are ready, and is the only one to say where a client
// is.
func TestTheProxyAsksWhichNodesAreReady(t *testing.T) {
	var one, two atomic.Bool
	one.Store(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())

	var log bytes.Buffer
	proxy := exec.CommandContext(t.Context(), "haproxy", "-db", "-f", "../haproxy.cfg")
	proxy.Stdout, proxy.Stderr = &log, &log
	proxy.Env = append(os.Environ(), "PROXY_LISTEN="+address,
		"PROXY_NODE_1="+fakeNode(t, "one", &one), "PROXY_NODE_2="+fakeNode(t, "two", &two))
	require.NoError(t, proxy.Start())
	defer func() {
		_ = proxy.Process.Kill()
		_ = proxy.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	answers := func(want string) func() bool {
		return func() bool {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/inbox", nil)
			if err != nil {
				return false
			}
			req.Header.Set("X-Forwarded-For", "192.0.2.1")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return err == nil && string(body) == want
		}
	}
	assert.Eventually(t, answers("one 127.0.0.1"), 20*time.Second, 20*time.Millisecond)
	two.Store(true)
	one.Store(false)
	assert.Eventually(t, answers("two 127.0.0.1"), 20*time.Second, 20*time.Millisecond)
}
