// Package cluster tests a cluster as its users and operators meet it: processes of bellhop and
// of NATS, with load, while one of them fails. Each test names its fault and the guarantee
// that must hold. What was acknowledged is compared with what arrived.
package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/built"
	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/network"
)

const secret = "a cluster secret of 32 bytes or more"

// timeout bounds the wait for an event that must happen. Only a failing test waits this long.
const timeout = 90 * time.Second

// nodeCount is the number of nodes of bellhop.
const nodeCount = 3

// cluster is three NATS servers and the nodes of one service.
type cluster struct {
	t     *testing.T
	nats  *natsserver.Cluster
	nodes []*process
	hosts map[string]*network.Host // of servers and nodes, by name

	// Of the present fault.
	recovery time.Duration // until all nodes were ready again, at most
	after    []span        // from the end of a fault until notifications arrived
	notes    []string      // for the table
}

// process is a process of bellhop. Its methods may be called by one goroutine at a time.
type process struct {
	name, public, admin string
	program, dir        string
	host                *network.Host // nil: this machine
	environ             []string
	command             *exec.Cmd // nil: not running
}

// bellhop is the program of all nodes.
var bellhop = built.New()

func TestMain(m *testing.M) {
	code := m.Run()
	bellhop.Remove()
	os.Exit(code) //nolint:forbidigo // the result of the tests
}

// startCluster starts the servers and the nodes, and returns when all nodes are ready.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	path := bellhop.Path(t)
	c := &cluster{t: t, hosts: map[string]*network.Host{}}
	net := network.New(t)
	var servers []natsserver.Host
	for _, name := range []string{"nats-1", "nats-2", "nats-3"} { // the names of package natsserver
		h := net.Host(name)
		c.hosts[name] = h
		servers = append(servers, natsserver.Host{Address: h.Address, Command: h.Command()})
	}
	c.nats = natsserver.Start(t, natsserver.Options{Servers: len(servers), Hosts: servers, Keyed: true})
	for i := range nodeCount {
		name := fmt.Sprintf("node-%d", i+1)
		h := net.Host(name)
		c.hosts[name] = h
		n := &process{name: name, public: h.Address + ":8080", admin: h.Address + ":8081", program: path, dir: t.TempDir(), host: h}
		n.environ = append(os.Environ(), "BELLHOP_NODE="+n.name, "BELLHOP_LISTEN="+n.public, "BELLHOP_ADMIN_LISTEN="+n.admin,
			"BELLHOP_DATA_DIR="+filepath.Join(n.dir, "data"), "BELLHOP_JWT_SECRET="+secret, "BELLHOP_NATS_URL="+c.nats.URL,
			"BELLHOP_DRAIN_WINDOW=0", "BELLHOP_REQUESTS_PER_SECOND=0", "BELLHOP_NOTIFICATIONS_PER_USER=1000000")
		if i == 0 { // the one to which a test refuses subjects
			n.environ = append(n.environ, "BELLHOP_NATS_CREDENTIALS_FILE="+c.nats.NodeFile)
		}
		c.nodes = append(c.nodes, n)
		t.Cleanup(func() { n.kill(t) })
		n.start(t)
	}
	c.waitReady()
	t.Cleanup(func() {
		for _, n := range c.nodes {
			if t.Failed() {
				log, _ := os.ReadFile(n.logFile())
				t.Logf("log of %s (its end):\n%s", n.name, log[max(0, len(log)-6000):])
			}
		}
	})
	return c
}

func (n *process) logFile() string { return filepath.Join(n.dir, "log") }

// start starts the process with the data that it has.
func (n *process) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	words := []string{n.program, "serve"}
	if n.host != nil { // otherwise it runs on this machine
		words = append(n.host.Command(), words...)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = n.environ, log, log
	require.NoError(t, cmd.Start())
	n.command = cmd
}

func (n *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, n.command.Process.Signal(s))
}

// kill ends the process as a crash does.
func (n *process) kill(t *testing.T) {
	t.Helper()
	if n.command != nil {
		n.signal(t, syscall.SIGKILL)
		_ = n.command.Wait() // it was killed
		n.command = nil
	}
}

// stop ends the process in order. It must exit with 0.
func (n *process) stop(t *testing.T) {
	t.Helper()
	n.signal(t, syscall.SIGTERM)
	require.NoError(t, n.command.Wait(), n.name)
	n.command = nil
}

// ready reports whether the node is ready, and the answer of /readyz.
func (n *process) ready(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.public+"/readyz", http.NoBody)
	if err != nil {
		return false, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode == http.StatusOK, string(body)
}

// waitReady waits until all running nodes are ready, and returns how long that took.
func (c *cluster) waitReady() time.Duration {
	c.t.Helper()
	begun := time.Now()
	for _, n := range c.nodes {
		for n.command != nil {
			ok, why := n.ready(c.t.Context())
			if ok {
				break
			}
			if time.Since(begun) > timeout {
				c.t.Fatalf("%s is not ready after %v: %s", n.name, timeout, why)
			}
			<-time.After(50 * time.Millisecond)
		}
	}
	return time.Since(begun)
}

// recovered waits until all nodes are ready, and notes how long that took.
func (c *cluster) recovered() {
	c.t.Helper()
	c.recovery = max(c.recovery, c.waitReady())
}

// note adds a remark to the line of the present fault.
func (c *cluster) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// waitReplicas waits until all three replicas of the stream have all messages, so that the next
// server may fail.
func (c *cluster) waitReplicas() {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.replicas() == 3 }, timeout, 100*time.Millisecond, "the replicas of the stream are not the same")
}

// replicas returns the number of replicas that have all messages, 0 if nobody knows.
func (c *cluster) replicas() int {
	s, err := c.nodes[0].status(c.t.Context())
	if err != nil || s.Stream == nil {
		return 0
	}
	return s.Stream.Current
}

// status returns the answer of GET /cluster.
func (n *process) status(ctx context.Context) (s httpapi.ClusterStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	status, body, err := get(ctx, "http://"+n.admin+"/cluster")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d: %s", status, body)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	return s, err
}

func token(t *testing.T, user string, scopes ...notify.Scope) string {
	t.Helper()
	signed, err := auth.Sign([]byte(secret), auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
	require.NoError(t, err)
	return signed
}

// leader returns the NATS server that leads the stream.
func (c *cluster) leader() *natsserver.Server {
	c.t.Helper()
	for deadline := time.Now().Add(timeout); ; {
		info, err := c.nats.StreamLeader(c.t, "BELLHOP")
		if err == nil && info != "" {
			return c.nats.Named(c.t, info)
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the stream has no leader: %v", err)
		}
		<-time.After(100 * time.Millisecond)
	}
}
