//go:build linux

package guide

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/slow"
)

// faultyMachine returns a machine whose node is not ready, has refused requests, and cannot use a file.
func faultyMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, "publishes_per_second: 1", "jwt_user_prefix: none")
	m.write("api-keys.yaml", "[]")
	m.write("issuers.yaml", "- issuer: https://login.example.com\n  jwks: http://127.0.0.1:1/keys\n  audiences: [bellhop]\n  user_prefix: none\n")
	m.sh(`echo "api_keys_file: ` + m.path("api-keys.yaml") + `" >> "$BELLHOP_CONFIG"; echo "issuers_file: ` + m.path("issuers.yaml") + `" >> "$BELLHOP_CONFIG"`)
	m.sh("systemctl start bellhop; curl -sS --retry 60 --retry-delay 1 --retry-all-errors \"$BELLHOP_URL/livez\"")
	m.write("api-keys.yaml", "- name: shop\n")
	m.waitFor(`bellhop metrics load_failing`, `bellhop_file_load_failing{file="api_keys"} 1`)
	backend := token(t, "backend", notify.ScopePublish)
	require.Eventually(t, func() bool { return m.withToken(backend) == http.StatusTooManyRequests }, timeout, time.Millisecond, "the limit is not reached")
	for range 3 {
		require.Equal(t, http.StatusUnauthorized, m.withToken("not.a.token"))
	}
	m.waitFor("journalctl -u bellhop", `"status":401`)
	return m
}

// waitFor waits until a command, which may fail before, prints a text.
func (m *machine) waitFor(command, text string) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		out, _ := m.bash(m.home, command) // a file may not be there yet
		return strings.Contains(out, text)
	}, timeout, 50*time.Millisecond, "%s does not print %s", command, text)
}

// noise returns text that cannot be compressed.
func noise(size int) string {
	b := make([]byte, size/2) //nolint:mnd // two digits for each byte
	_, _ = rand.Read(b)       // never fails
	return hex.EncodeToString(b)
}

// publish publishes notifications with large data to ada.
func (m *machine) publish(count int) {
	m.t.Helper()
	backend := token(m.t, "backend", notify.ScopePublish)
	for range count {
		status, answer := m.post("/notify", fmt.Sprintf(`{"to":{"users":["ada"]},"type":"test","title":"x","data":{"filler":%q}}`, noise(16_000)),
			"Authorization", "Bearer "+backend)
		require.Equal(m.t, http.StatusAccepted, status, answer)
	}
}

// damagedMachine returns a machine whose store is damaged while the node runs, and has been read.
func damagedMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.start()
	m.publish(100)
	m.crash()
	m.start() // writes its log into a table
	m.flipBits(filepath.Join(m.data, "store", "*.sst"))
	ada := token(t, "ada")
	require.Eventually(t, func() bool {
		status(t, http.MethodGet, "http://"+m.public+"/inbox?limit=100", ada)
		return strings.Contains(m.sh("bellhop metrics store_failing"), "failing 1")
	}, timeout, 50*time.Millisecond, "the damage is not found")
	return m
}

// flipBits changes some bits in each file of a pattern, all over it. The files stay the same ones.
func (m *machine) flipBits(pattern string) {
	m.t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(m.t, err)
	require.NotEmpty(m.t, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(m.t, err)
		for i := len(b) / 100; i < len(b)*99/100; i += 100 {
			b[i] ^= 1
		}
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		require.NoError(m.t, err)
		_, err = file.Write(b)
		require.NoError(m.t, errors.Join(err, file.Close()))
	}
}

// lossyMachine returns a machine that has lost its store, and then had a client that read nothing.
func lossyMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, "queue_notifications: 16")
	m.start()
	m.send("ada", 3)
	m.crash()
	m.sh(`rm -r "$DATA/store"`)
	m.start()
	client := &http.Client{Transport: &http.Transport{DialContext: slow.Receiver(4096, 0).DialContext}}
	header := http.Header{"Authorization": {"Bearer " + token(t, "ada")}}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+m.public+"/ws", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	m.waitFor("bellhop metrics bellhop_connections", `{transport="websocket"} 1`)
	require.Eventually(t, func() bool {
		m.publish(32)
		return !strings.Contains(m.sh("bellhop metrics bellhop_drops"), `{reason="too-slow"} 0`)
	}, timeout, time.Millisecond, "nothing is dropped")
	m.waitFor("journalctl -u bellhop", `"code":4408`)
	return m
}

// unloggedMachine returns a machine whose log takes nothing, as a full disk does.
func unloggedMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	require.NoError(t, os.Symlink("/dev/full", m.path("bellhop.log")))
	m.start()
	m.waitFor("bellhop metrics lines_dropped", "dropped_total")
	return m
}

// clusteredMachine returns a machine of a cluster that cannot reach one of two monitoring ports. Another program has written
// to its stream.
func clusteredMachine(t *testing.T) (*machine, *natsserver.Cluster) {
	t.Helper()
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	m := clusterNode(t, nats, "node-1", nats.Servers[0].Monitor+",http://127.0.0.1:1")
	m.start()
	m.set("NATS_URL=" + nats.URL)
	m.script("nats", `exec `+natsTool(t)+` "$@"`)
	m.waitFor("bellhop cluster", "last checkpoint: sequence")
	js, err := jetstream.New(nats.Connect(t))
	require.NoError(t, err)
	foreign, err := js.Publish(t.Context(), "bellhop.BELLHOP.journal", []byte("hello"))
	require.NoError(t, err)
	m.set(fmt.Sprintf("MESSAGE=%d", foreign.Sequence))
	return m, nats
}

// natsTool returns the path of the command-line tool of NATS.
func natsTool(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools/go.mod", "-n", "nats").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func clusterNode(t *testing.T, nats *natsserver.Cluster, name, monitors string) *machine {
	t.Helper()
	m := newMachine(t, "nats_url: "+nats.URL, "replicas: 1", "unsafe_replicas: true", "node: "+name, "nats_monitor: "+monitors)
	m.set("NATS_1=" + nats.Servers[0].Monitor)
	return m
}

// stoppedMachine returns a machine of a cluster whose journal was lost. Then another node has begun a new journal.
func stoppedMachine(t *testing.T) *machine {
	t.Helper()
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	m := clusterNode(t, nats, "node-1", nats.Servers[0].Monitor)
	m.start()
	m.send("ada", 1)
	js, err := jetstream.New(nats.Connect(t))
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), "BELLHOP"))
	clusterNode(t, nats, "node-2", nats.Servers[0].Monitor).sh("systemctl start bellhop")
	m.waitFor("bellhop metrics journal_stopped", "stopped 1")
	return m
}

// unsyncedMachine returns a machine of a cluster whose NATS server does not sync.
func unsyncedMachine(t *testing.T) *machine {
	t.Helper()
	nats := natsserver.Start(t, natsserver.Options{Servers: 1, Unsynced: true})
	m := clusterNode(t, nats, "node-1", nats.Servers[0].Monitor)
	m.sh("systemctl start bellhop")
	m.waitFor("bellhop metrics nats_servers", `{state="unsynced"} 1`)
	m.waitFor(`curl -sS "$BELLHOP_URL/readyz"`, "sync_interval")
	return m
}
