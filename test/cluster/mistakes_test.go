package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/deploy"
	"github.com/bellhop/bellhop/test/logtext"
	"github.com/bellhop/bellhop/test/natsserver"
)

// node is a node that runs in this process.
type node struct {
	url   string // of its public listener
	admin string // the same of the other one
	log   *logtext.Log
	ended chan error
	stop  func()
}

// settings returns the settings of a node on one server.
func settings(t *testing.T, servers *natsserver.Cluster) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen, cfg.DataDir, cfg.DrainWindow = "127.0.0.1:0", "127.0.0.1:0", t.TempDir(), 0
	cfg.JWTSecret = []config.Secret{"a secret of at least 32 bytes for tests"}
	cfg.NATSURL, cfg.Replicas, cfg.Node = strings.Split(servers.URL, ","), 1, "node-1"
	cfg.NATSCredentialsFile, cfg.NATSCAFile = servers.NodeFile, servers.CAFile
	return cfg
}

var listening = regexp.MustCompile(`msg=listening public=(\S+) admin=(\S+)`)

// start starts a node, and returns when it listens. It need not be ready.
func start(t *testing.T, cfg *config.Config) *node {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{log: &logtext.Log{}, ended: make(chan error, 1)}
	go func() { n.ended <- app.Run(ctx, cfg, app.Options{Logger: slog.New(slog.NewTextHandler(n.log, nil))}) }()
	n.stop = sync.OnceFunc(func() { cancel(); assert.NoError(t, <-n.ended) })
	t.Cleanup(n.stop)
	require.Eventually(t, func() bool { return listening.MatchString(n.log.String()) }, timeout, 10*time.Millisecond, "the node does not listen")
	addresses := listening.FindStringSubmatch(n.log.String())
	n.url, n.admin = "http://"+addresses[1], "http://"+addresses[2]
	return n
}

// get returns the status of the answer, and its body.
func get(ctx context.Context, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	return do(req)
}

// do returns the status of the answer, and its body.
func do(req *http.Request) (status int, body string, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// requireReason waits until n is not ready for a reason. The process stays alive, and the log
// has the reason, too.
func (n *node) requireReason(t *testing.T, reason string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, body, err := get(t.Context(), n.url+"/readyz")
		assert.NoError(c, err)
		assert.Equal(c, http.StatusServiceUnavailable, status)
		assert.Contains(c, body, reason)
		assert.Contains(c, n.warnings(), reason)
	}, timeout, 20*time.Millisecond)
	status, _, err := get(t.Context(), n.url+"/livez")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "a restart would not help")
	require.Empty(t, n.ended, "the process goes on")
}

// warnings returns the lines of the log of level WARN and ERROR, without the quotes of values.
func (n *node) warnings() (lines string) {
	for line := range strings.Lines(n.log.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			lines += strings.ReplaceAll(line, `\"`, `"`)
		}
	}
	return lines
}

func (n *node) requireReady(t *testing.T) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, body, err := get(t.Context(), n.url+"/readyz")
		assert.NoError(c, err)
		assert.Equal(c, http.StatusOK, status, body)
	}, timeout, 20*time.Millisecond)
}

// createStream creates a stream of the name that nodes use, as another program or an operator
// does, and returns a function that deletes it.
func createStream(t *testing.T, servers *natsserver.Cluster, change func(*jetstream.StreamConfig)) (remove func()) {
	t.Helper()
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	cfg := jetstream.StreamConfig{
		Name: "BELLHOP", Subjects: []string{"bellhop.BELLHOP.journal"}, Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute,
		Metadata: map[string]string{"bellhop-journal": "000102030405060708090a0b0c0d0e0f"},
	}
	change(&cfg)
	_, err = js.CreateStream(t.Context(), cfg)
	require.NoError(t, err)
	return func() { require.NoError(t, js.DeleteStream(t.Context(), cfg.Name)) }
}

// A node whose NATS servers, or whose settings, are not as they must be stays alive, is not
// ready, and says why. It becomes ready by itself when the fault is corrected, if that needs no
// other settings.
func TestANodeThatCannotServeSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options natsserver.Options

		// breaks makes the fault, and returns the function that corrects it, nil if
		// only other settings do.
		breaks func(*testing.T, *natsserver.Cluster, *config.Config) (corrects func())
		reason string
	}{
		"no server": {breaks: func(t *testing.T, servers *natsserver.Cluster, _ *config.Config) func() {
			t.Helper()
			servers.Servers[0].Kill(t)
			return func() { servers.Servers[0].Start(t) }
		}, reason: "no connection to NATS"},
		"unknown key": {natsserver.Options{Secure: true}, func(t *testing.T, _ *natsserver.Cluster, cfg *config.Config) func() {
			t.Helper()
			dir := filepath.Join(t.TempDir(), "secrets")
			require.NoError(t, deploy.Secrets(dir, "127.0.0.1"))
			cfg.NATSCredentialsFile = filepath.Join(dir, "node.nk")
			return nil
		}, "Authorization Violation"},
		"unknown CA": {natsserver.Options{Secure: true}, func(t *testing.T, _ *natsserver.Cluster, cfg *config.Config) func() {
			t.Helper()
			dir := filepath.Join(t.TempDir(), "secrets")
			require.NoError(t, deploy.Secrets(dir, "127.0.0.1"))
			cfg.NATSCAFile = filepath.Join(dir, "ca.pem")
			return nil
		}, "certificate signed by unknown authority"},
		"no permission": {natsserver.Options{Secure: true}, func(t *testing.T, _ *natsserver.Cluster, cfg *config.Config) func() {
			t.Helper()
			cfg.NATSStream = "ANOTHER"
			return nil
		}, "ermissions"},
		"too few servers": {breaks: func(t *testing.T, _ *natsserver.Cluster, cfg *config.Config) func() {
			t.Helper()
			cfg.Replicas = 3
			return nil
		}, reason: "BELLHOP_REPLICAS is 3"},
		"stream of another program": {breaks: func(t *testing.T, servers *natsserver.Cluster, _ *config.Config) func() {
			t.Helper()
			return createStream(t, servers, func(c *jetstream.StreamConfig) { c.Metadata = nil })
		}, reason: "it was not created by bellhop"},
		"stream that is too small": {breaks: func(t *testing.T, servers *natsserver.Cluster, _ *config.Config) func() {
			t.Helper()
			return createStream(t, servers, func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 })
		}, reason: "its max_bytes is 1048576"},
		"servers that do not sync": {natsserver.Options{Unsynced: true}, func(t *testing.T, servers *natsserver.Cluster, cfg *config.Config) func() {
			t.Helper()
			cfg.NATSMonitor = []string{servers.Servers[0].Monitor}
			return nil
		}, "do not sync every write"},
		"servers that cannot be monitored": {breaks: func(t *testing.T, _ *natsserver.Cluster, cfg *config.Config) func() {
			t.Helper()
			cfg.NATSMonitor = []string{"http://127.0.0.1:1"}
			return nil
		}, reason: "no NATS server can be monitored"},
		"name of another node": {breaks: func(t *testing.T, servers *natsserver.Cluster, _ *config.Config) func() {
			t.Helper()
			other := start(t, settings(t, servers))
			other.requireReady(t)
			return other.stop
		}, reason: "another node has the name node-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Servers = 1
			servers := natsserver.Start(t, c.options)
			cfg := settings(t, servers)
			corrects := c.breaks(t, servers, cfg)
			n := start(t, cfg)
			n.requireReason(t, c.reason)
			if corrects != nil {
				corrects()
				n.requireReady(t)
			}
		})
	}
}

// A node that can store on its servers is ready, also with keys, TLS and monitoring.
func TestANodeIsReadyOnServersThatSync(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("secure=", secure), func(t *testing.T) {
			t.Parallel()
			servers := natsserver.Start(t, natsserver.Options{Servers: 1, Secure: secure})
			cfg := settings(t, servers)
			cfg.NATSMonitor = []string{servers.Servers[0].Monitor}
			start(t, cfg).requireReady(t)
		})
	}
}
