package monitor

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/deploy"
	"github.com/bellhop/bellhop/test/natsserver"
)

// startProxy starts HAProxy with the configuration of the deployment before two nodes. Requests
// to the result go through it. The log is that of the proxy.
func startProxy(t *testing.T, one, two *process) (proxy *process, log string) {
	t.Helper()
	logs, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer logs.Close()
	p := &process{t: t, name: "proxy", public: natsserver.FreePorts(t, 1)[0], ended: make(chan struct{}), client: &http.Client{Timeout: timeout, Transport: &http.Transport{}}}
	t.Cleanup(p.client.CloseIdleConnections)
	p.cmd = exec.Command("haproxy", "-db", "-f", filepath.Join(deploy.Dir(), "haproxy.cfg"))
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	p.cmd.Env = append(os.Environ(), "PROXY_LISTEN="+p.public, "PROXY_NODE_1="+one.public, "PROXY_NODE_2="+two.public)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(logs.Name()); t.Failed() && err == nil {
			t.Logf("the log of the proxy ends with: %s", text[max(0, len(text)-4000):])
		}
	})
	p.await("it answers", func() bool { return p.try(http.MethodGet, "/readyz", "", "") == http.StatusOK })
	return p, logs.Name()
}

// A node behind the proxy stops while a client publishes and another one listens, both through
// the proxy. The proxy notices it before connections are closed. No request is refused, and the
// listener comes back to the other node, without a notification lost or repeated.
func TestANodeBehindTheProxyIsDrained(t *testing.T) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	// As in compose.yaml, where the proxy is in another network.
	settings := []string{"BELLHOP_DRAIN_DELAY=5", "BELLHOP_TRUSTED_PROXIES=127.0.0.0/8"}
	one, two := node(t, "one", nats.URL, settings...), node(t, "two", nats.URL, settings...)
	one.awaitReady()
	two.awaitReady()
	proxy, log := startProxy(t, one, two)
	ws := proxy.connect("ada", "")
	const sockets = `bellhop_connections{transport="websocket"}`
	leaving, staying := one, two
	if two.metric(sockets) == 1 {
		leaving, staying = two, one
	}
	require.EqualValues(t, 1, leaving.metric(sockets))

	published, received, closes := 0, 0, 0
	exchange := func() {
		require.Equal(t, http.StatusAccepted, proxy.publish(toAda, ""))
		for published++; received < published; {
			switch proxy.read(ws) {
			case "notification":
				received++
			case "close":
				closes++
				text, err := os.ReadFile(log)
				require.NoError(t, err)
				require.Regexp(t, "Server nodes/node-. is DOWN, reason: Layer7 wrong status, code: 503", string(text))
				ws = proxy.dial("ada", proxy.cursor)
			case "reset":
				t.Fatal("the client must list its inbox again")
			}
		}
	}
	exchange()
	leaving.signal(os.Interrupt)
	for ended := false; !ended; {
		exchange()
		select {
		case <-leaving.ended:
			ended = true
		default:
		}
	}
	exchange()
	require.Equal(t, 1, closes)
	require.EqualValues(t, 1, staying.metric(sockets))
	require.NoError(t, ws.CloseNow())
	require.Equal(t, published, received)
	t.Logf("%d notifications", published)
}
