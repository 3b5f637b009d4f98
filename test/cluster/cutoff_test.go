package cluster

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// cutOff observes a node that is about to be cut off from the journal.
type cutOff struct {
	n      *process
	closed <-chan websocket.StatusCode // of a connection that was opened before
	begun  time.Time
}

// observe opens a connection to n. Call it immediately before the cut.
func (n *process) observe(t *testing.T) *cutOff {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + token(t, "observer")}}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+n.public+"/ws", &websocket.DialOptions{HTTPHeader: header})
	require.NoError(t, err)
	closed := make(chan websocket.StatusCode, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				closed <- websocket.CloseStatus(err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.CloseNow() // the other side may have closed it
		<-ended
	})
	return &cutOff{n: n, closed: closed, begun: time.Now()}
}

// requireUnready waits until the node is not ready. Then it refuses publishes and serves reads.
func (o *cutOff) requireUnready(t *testing.T, c *cluster) {
	t.Helper()
	o.n.waitUnready(t)
	unready := time.Since(o.begun)
	asked := time.Now()
	status, body := o.n.request(t, http.MethodPost, "/notify", `{"to":{"users":["observer"]},"type":"n","title":"refused"}`)
	answered := time.Since(asked)
	assert.Equal(t, http.StatusServiceUnavailable, status, body)
	status, body = o.n.request(t, http.MethodGet, "/inbox", "")
	assert.Equal(t, http.StatusOK, status, body)
	if *full {
		assert.LessOrEqual(t, unready, 10*time.Second)
		assert.LessOrEqual(t, answered, 5*time.Second+time.Second/2) // and the time of a busy machine
	}
	c.note("%s unready after %.1f s, then answers 503 after %.1f s, reads go on", o.n.name, unready.Seconds(), answered.Seconds())
}

// requireClosed waits until the node has closed its connections. It still runs.
func (o *cutOff) requireClosed(t *testing.T, c *cluster) {
	t.Helper()
	select {
	case code := <-o.closed:
		assert.Equal(t, websocket.StatusTryAgainLater, code) // 1013
		c.note("%s closes its connections with %d after %.1f s", o.n.name, code, time.Since(o.begun).Seconds())
	case <-time.After(timeout):
		t.Fatalf("%s does not close its connections", o.n.name)
	}
	o.n.requireAlive(t)
}

// request returns the answer of the node to the user "observer".
func (n *process) request(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.public+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token(t, "observer", notify.ScopePublish))
	req.Header.Set("Content-Type", "application/json")
	status, text, err = do(req)
	require.NoError(t, err)
	return status, text
}

// log returns what the node has logged.
func (n *process) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(n.logFile())
	require.NoError(t, err)
	return string(b)
}

// waitUnready waits until the node says that it is not ready.
func (n *process) waitUnready(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		status, _, err := get(t.Context(), "http://"+n.public+"/readyz")
		return err == nil && status == http.StatusServiceUnavailable
	}, timeout, 50*time.Millisecond, "%s stays ready", n.name)
}

// requireAlive checks that a supervisor would not restart the node.
func (n *process) requireAlive(t *testing.T) {
	t.Helper()
	status, body, err := get(t.Context(), "http://"+n.public+"/livez")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, body)
}
