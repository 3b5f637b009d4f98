package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/natsserver"
)

// The environment variable BELLHOP_E2E selects what the tests run against: by default a node
// that is alone, "cluster" for one node of a cluster on three NATS servers, and "switching" for
// three nodes of such a cluster, which requests and new connections use in turn.
const (
	modeCluster   = "cluster"
	modeSwitching = "switching"
)

var mode = os.Getenv("BELLHOP_E2E")

var (
	natsServers *natsserver.Cluster // shared by all tests; nil: no cluster
	services    atomic.Int32        // each has an account of its own
)

// accounts is more than the number of services that the tests start.
const accounts = 300

func TestMain(m *testing.M) { os.Exit(run(m)) } //nolint:forbidigo // the servers must be stopped before

func run(m *testing.M) (code int) {
	if mode != "" {
		program := &natsserver.Program{}
		defer program.End()
		natsServers = natsserver.Start(program, natsserver.Options{Servers: 3, Secure: true, Accounts: accounts})
		// Without a permission, some features would only be slower.
		defer func() {
			for _, line := range natsServers.Violations(program) {
				fmt.Fprint(os.Stderr, "FAIL: the permissions of a node are not enough: ", line)
				code = 1
			}
		}()
	}
	return m.Run()
}

// instances returns the settings of the nodes of a service.
func instances(t *testing.T, cfg *config.Config) []*config.Config {
	t.Helper()
	if mode == "" {
		return []*config.Config{cfg}
	}
	cfg.NATSURL = strings.Split(natsServers.URL, ",")
	n := services.Add(1)
	require.LessOrEqual(t, int(n), accounts, "raise the number of accounts")
	cfg.NATSCredentialsFile, cfg.NATSCAFile = natsServers.NodeFiles[n-1], natsServers.CAFile
	for _, server := range natsServers.Servers {
		cfg.NATSMonitor = append(cfg.NATSMonitor, server.Monitor)
	}
	cfg.Node = "node-1"
	all := []*config.Config{cfg}
	if mode == modeSwitching {
		for _, name := range []string{"node-2", "node-3"} {
			other := *cfg
			other.Node, other.DataDir = name, t.TempDir()
			all = append(all, &other)
		}
	}
	return all
}

// next makes the next request go to another node, if there is one. That node has applied
// everything that any node has answered: clients of a cluster may find a node a few milliseconds
// behind, and the tests expect a single service.
func (s *service) next() {
	s.t.Helper()
	if len(s.nodes) == 1 || s.pinned {
		return
	}
	s.turn = (s.turn + 1) % len(s.nodes)
	n := s.nodes[s.turn]
	s.public, s.admin = n.public, n.admin
	if s.eager {
		return
	}
	s.caughtUp(n)
}

// caughtUp returns when a node has applied everything that any node has applied by now.
func (s *service) caughtUp(n *instance) {
	s.t.Helper()
	if len(s.nodes) == 1 {
		return
	}
	target := 0
	for _, other := range s.nodes {
		target = max(target, sequenceIn(s.metricsOf(other.admin)))
	}
	require.Eventually(s.t, func() bool { return sequenceIn(s.metricsOf(n.admin)) >= target }, timeout, time.Millisecond)
}

// reason says why a test makes all requests go to the same node, or needs a node without a
// cluster. The README of the tests lists all reasons.
type reason string

const (
	ownConnections reason = "each node counts its own connections, and streams of the console, for the limits"
	ownRates       reason = "each node has its own rates"
	ownLoad        reason = "the console shows the load of one node"
	ownCopy        reason = "a backup is a copy on one node, and must delay nothing there"

	restoredAlone reason = "a restored backup of a node goes on without the cluster"
	damagedAlone  reason = "in a cluster, a checkpoint replaces a damaged store"
)

// onOneNode makes all requests go to the same node.
func (s *service) onOneNode(reason) { s.pinned = true }

// onEachNode calls f for each node, and makes the requests of f go to that node.
func (s *service) onEachNode(f func()) {
	s.t.Helper()
	for range s.nodes {
		s.next()
		s.pinned = true
		f()
		s.pinned = false
	}
}

// onAllNodes changes a setting of each node, for the next start.
func (s *service) onAllNodes(change func(*config.Config)) {
	for _, n := range s.nodes {
		change(n.cfg)
	}
}

func TestTheReadmeListsWhyTestsNeedOneNode(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	for _, why := range []reason{ownConnections, ownRates, ownLoad, ownCopy, restoredAlone, damagedAlone} {
		require.Contains(t, string(readme), string(why))
	}
}

func sequenceIn(metrics string) (seq int) {
	_, rest, _ := strings.Cut(metrics, "\nbellhop_journal_sequence ")
	var value float64
	if _, err := fmt.Sscan(rest, &value); err != nil {
		return 0
	}
	return int(value)
}
