//go:build linux

package guide

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/slow"
)

// fullMachine returns a machine whose disk is below its reserve, so that files could not be purged after an erasure.
func fullMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, "min_free_bytes: 1000TiB")
	m.sh("systemctl start bellhop; curl -sS --retry 60 --retry-delay 1 --retry-all-errors \"$BELLHOP_URL/livez\"")
	status(t, http.MethodDelete, "http://"+m.public+"/users/ada", token(t, "operator", notify.ScopeAdmin))
	m.waitForMatch("bellhop metrics upkeep_runs", `outcome="failed",task="purge"} [1-9]`)
	return m
}

// waitForMatch waits until what a command prints matches an expression.
func (m *machine) waitForMatch(command, expression string) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		return regexp.MustCompile(expression).MatchString(m.sh(command))
	}, timeout, 50*time.Millisecond, "%s does not print %s", command, expression)
}

// slowedMachine returns a machine that has stood still while notifications were published and delivered.
func slowedMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.start()
	m.begin("exec bellhop listen --token " + token(t, "ada") + " > listen.log 2>&1")
	m.waitFor("cat listen.log", "connected as ada")
	backend := token(t, "backend", notify.ScopePublish)
	seconds := regexp.MustCompile(`(?s)bellhop_delivery_duration_seconds_sum [1-9].*bellhop_publish_duration_seconds_sum [1-9]`)
	require.Eventually(t, func() bool {
		var publishing sync.WaitGroup
		for range 4 {
			publishing.Go(func() {
				for range 10 {
					m.withToken(backend)
				}
			})
		}
		m.pause(time.Second)
		publishing.Wait()
		return seconds.MatchString(m.sh("bellhop metrics delivery_duration publish_duration"))
	}, timeout, time.Millisecond, "it was not slow")
	return m
}

// pause makes the node stand still for a time.
func (m *machine) pause(d time.Duration) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	process := m.units["bellhop"].(*node).cmd.Process //nolint:forcetypeassert // that of newMachine
	require.NoError(m.t, slow.Pause(process))
	<-time.After(d) // of the fault
	require.NoError(m.t, slow.Resume(process))
}

// fewFilesMachine returns a machine whose node may open few files and few connections. All of these are open, and one
// address has half of the connections to its port, so that others of that address were refused.
func fewFilesMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, "connections: 3", "trusted_proxies: none")
	m.limitFiles("64")
	m.set("FILES=4096")
	m.start()
	for n := range 3 {
		header := http.Header{"Authorization": {"Bearer " + token(t, fmt.Sprint("user-", n))}}
		conn, _, err := websocket.Dial(t.Context(), "ws://"+m.public+"/ws", &websocket.DialOptions{HTTPHeader: header})
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	for range 64 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", m.public)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	m.waitForMatch("bellhop metrics network_connections", `bellhop_network_connections_refused_total [1-9]`)
	return m
}
