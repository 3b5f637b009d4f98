//go:build linux

package guide

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/traffic"
)

// natsUnit is the unit of a NATS server.
type natsUnit struct {
	t *testing.T
	s *natsserver.Server
}

func (u natsUnit) log() string { return "" }

func (u natsUnit) start() error { u.s.Start(u.t); return nil }

func (u natsUnit) stop() error {
	if u.s.Running() {
		u.s.Stop(u.t)
	}
	return nil
}

func (u natsUnit) reload() error { return fmt.Errorf("%s cannot be reloaded", u.s.Name) }

// fromOneToThree makes a cluster of a node that has notifications, on three NATS servers with TLS and keys.
func fromOneToThree(t *testing.T, c chapter) (servers *natsserver.Cluster, nodes []*machine) {
	t.Helper()
	servers = natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	require.NoError(t, exec.Command("chown", "-R", strconv.Itoa(serviceUser), filepath.Dir(servers.CAFile)).Run())
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(servers.CAFile)), 0o755)) // the user of the service must get there
	for i, s := range servers.Servers {
		m := newMachine(t, fmt.Sprint("node: node-", i+1))
		m.units["nats-server"] = natsUnit{t, s}
		m.set("NATS_URL="+servers.URL, "CREDENTIALS="+servers.NodeFile, "CA="+servers.CAFile, "OPERATOR="+servers.OperatorFile, "NATS_STORE="+s.StoreDir)
		for i, s := range servers.Servers {
			m.set(fmt.Sprintf("NATS_%d=%s", i+1, s.Monitor))
		}
		nodes = append(nodes, m)
	}
	nodes[0].start()
	nodes[0].send("ada", 3)
	want := nodes[0].inbox("ada")
	nodes[0].run(c.next())
	next := c.next()
	for _, m := range nodes[1:] {
		m.sh("tail -n 4 " + nodes[0].settings + ` >> "$BELLHOP_CONFIG"`) // the same settings
		require.Contains(t, m.run(next), "3 of 3 replicas current")
	}
	requireSame(t, nodes, "ada")
	require.Equal(t, want, nodes[0].inbox("ada"))
	return servers, nodes
}

// clusterFaults makes a cluster, upgrades all nodes in turn, loses a node with its data, a NATS server with
// its files, and then all NATS servers.
func clusterFaults(t *testing.T, c chapter) {
	servers, nodes := fromOneToThree(t, c)
	load := startTraffic(t, nodes...)
	load.Grows(t)
	upgradeNodes(t, nodes, load)
	loseNode(t, c, nodes, load)
	loseServer(t, c, servers, nodes, load)
	requireWhole(t, load)
	loseJournal(t, c, servers, nodes)
	eraseEverywhere(t, servers, nodes)
}

// eraseEverywhere runs the commands for an erasure on one node. The files of all nodes lose the text of the user,
// which they have after a restart: before, a node of a cluster may have it in memory only. Then the files of the NATS servers
// lose it, too.
func eraseEverywhere(t *testing.T, servers *natsserver.Cluster, nodes []*machine) {
	t.Helper()
	text := rand.Text()
	nodes[0].sh("bellhop send --user ada --type test --title " + text + " --token " + token(t, "backend", notify.ScopePublish))
	for _, m := range nodes {
		m.sh("systemctl restart bellhop && bellhop health --wait 1m")
		require.Contains(t, m.inbox("ada"), text)
		require.NotEmpty(t, m.filesWith(text), "%s has no text that can be searched", m.home)
	}
	nodes[0].set("BELLHOP_TOKEN=" + token(t, "operator", notify.ScopeAdmin))
	nodes[0].run(firstBlock(t, "Export and erasure"))
	for _, m := range nodes {
		require.Eventually(t, func() bool { return m.filesWith(text) == "" }, timeout, 200*time.Millisecond, "%s has the text", m.home)
		require.Empty(t, m.inbox("ada"))
	}
	inNATS := func(i int) string {
		return nodes[i].sh("grep -rla '" + text + "' " + servers.Servers[i].StoreDir + " || true")
	}
	nodes[0].set("NATS_NKEY="+servers.OperatorFile, "NATS_CA="+servers.CAFile)
	nodes[0].script("nats", `exec `+natsTool(t)+` "$@"`)
	nodes[0].run(blocksOf(t, "Export and erasure")[1])
	restart, replace := blocksOf(t, "Export and erasure")[2], blocksOf(t, "A NATS server with damaged files")
	for i, m := range nodes {
		require.NotEmpty(t, inNATS(i), "the guide says that deleted bytes remain in files")
		for n := range servers.Servers { // this one is the first in the guide
			m.set(fmt.Sprintf("NATS_%d=%s", n+1, servers.Servers[(i+n)%len(nodes)].Monitor))
		}
		m.run(restart)
	}
	for _, m := range nodes {
		m.run(replace[0])
		require.Contains(t, m.run(replace[1]), "3 of 3 replicas current")
	}
	for i := range nodes {
		require.Empty(t, inNATS(i), "files of the NATS server %d have the text", i+1)
	}
}

// firstBlock returns the first commands of a section, which the test of another chapter runs on one node.
func firstBlock(t *testing.T, name string) block {
	t.Helper()
	return blocksOf(t, name)[0]
}

// blocksOf returns the commands of a section.
func blocksOf(t *testing.T, name string) []block {
	t.Helper()
	all := readGuide(t)
	i := slices.IndexFunc(all, func(s *section) bool { return s.name == name })
	require.GreaterOrEqual(t, i, 0, "the guide has no section %q with shell blocks", name)
	return all[i].blocks
}

// upgradeNodes runs the commands for an upgrade on each node in turn.
func upgradeNodes(t *testing.T, nodes []*machine, load *traffic.Load) {
	t.Helper()
	upgrade := firstBlock(t, "Upgrade")
	for _, m := range nodes {
		m.install("../bellhop-new", newer.Path(t))
		before := m.executable()
		m.run(upgrade)
		require.NotEqual(t, before.Size(), m.executable().Size(), "the old program runs")
		load.Grows(t)
	}
}

// loseNode replaces the data of a node that still has some, which are kept, and then loses the node with its
// data. Its replacement has everything.
func loseNode(t *testing.T, c chapter, nodes []*machine, load *traffic.Load) {
	t.Helper()
	m := nodes[2]
	replace := c.next()
	require.Contains(t, m.run(replace), "node-3")
	require.DirExists(t, m.data+".before")
	requireSame(t, nodes, "ada")
	m.crash()
	require.NoError(t, os.RemoveAll(m.data))
	load.Grows(t)
	require.Contains(t, m.run(replace), "node-3")
	requireSame(t, nodes, "ada")
	load.Grows(t)
}

// loseServer damages the files of a NATS server. With the files of the others it can take the place of
// one of them.
func loseServer(t *testing.T, c chapter, servers *natsserver.Cluster, nodes []*machine, load *traffic.Load) {
	t.Helper()
	first := servers.Servers[0]
	first.Kill(t)
	names, err := filepath.Glob(filepath.Join(first.StoreDir, "jetstream/*/streams/BELLHOP/msgs/*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	require.NoError(t, os.Truncate(names[0], 100))
	load.Grows(t)
	nodes[0].sh(`for url in "$NATS_2" "$NATS_3"; do curl -sSf --retry 60 --retry-delay 1 --retry-all-errors "$url/healthz"; done`) // they elect a leader
	nodes[0].run(c.next())
	require.Contains(t, nodes[0].run(c.next()), "3 of 3 replicas current")
	servers.Servers[1].Kill(t)
	load.Grows(t) // with the server that was damaged
	servers.Servers[1].Start(t)
	nodes[0].sh("bellhop cluster --wait 1m")
}

// loseJournal loses all NATS servers with their disks. The stores of the nodes have everything.
func loseJournal(t *testing.T, c chapter, servers *natsserver.Cluster, nodes []*machine) {
	t.Helper()
	want := nodes[0].inbox("ada")
	require.Contains(t, want, `"title":"2"`)
	for _, s := range servers.Servers {
		s.Kill(t)
		require.NoError(t, os.RemoveAll(s.StoreDir))
	}
	for _, s := range servers.Servers {
		s.Start(t)
	}
	servers.WaitForLeader(t)
	stop := c.next()
	for _, m := range nodes {
		require.Contains(t, m.run(stop), "Nothing was changed.")
	}
	require.Contains(t, nodes[1].run(c.next()), "recovered: ")
	start := c.next()
	for _, m := range nodes {
		m.run(start)
	}
	requireSame(t, nodes, "ada")
	require.Equal(t, want, nodes[2].inbox("ada"))
	nodes[0].send("ada", 1)
	require.Contains(t, nodes[0].sh("bellhop cluster --wait 1m"), "3 of 3 replicas current")
}

// requireSame fails the test unless all nodes have the same inbox of a user.
func requireSame(t *testing.T, nodes []*machine, user string) {
	t.Helper()
	want := nodes[0].inbox(user)
	require.NotEmpty(t, want)
	for _, m := range nodes[1:] {
		require.Equal(t, want, m.inbox(user), m.home)
	}
}
