//go:build linux

package guide

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/built"
	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/slowdisk"
	"github.com/bellhop/bellhop/test/wrongclock"
)

// sickNodes makes a cluster of three nodes on one NATS server, and gives it one fault after another. The commands show each
// on a node that has it, and that it has ended when what the guide says was done. The program whose clock can be wrong is
// built once, so the alert of an old backup is here, too.
func sickNodes(t *testing.T, c chapter) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1, Keyed: true})
	files := mount(t, "512m")
	require.NoError(t, os.Chown(files, serviceUser, serviceUser))
	disk := slowdisk.Mount(t, files)
	nodes := []*machine{
		keyedNode(t, nats, "node-1"),
		clusterNode(t, nats, "node-2", nats.Servers[0].Monitor),
		clusterNode(t, nats, "node-3", nats.Servers[0].Monitor),
	}
	binary := wrongclock.Build(t)
	clock := nodes[0].setClockWith(binary)
	nodes[2].set("DATA=" + filepath.Join(disk.Dir, "data"))
	nodes[2].sh(`sed -i '/^data_dir:/d' "$BELLHOP_CONFIG"; echo "data_dir: $DATA" >> "$BELLHOP_CONFIG"`)
	for _, m := range nodes {
		m.start()
	}
	nodes[1].waitFor("bellhop metrics cluster_nodes", "bellhop_cluster_nodes 3")

	oldBackup(t, c, binary)
	nodesApart(t, c, nats, nodes)
	wrongClock(t, c, clock, nodes[0])
	laggingNode(t, c, disk, nodes)
	differentState(t, c, nodes)
}

// keyedNode returns a machine of a cluster whose node has a key, so that NATS can refuse it subjects.
func keyedNode(t *testing.T, nats *natsserver.Cluster, name string) *machine {
	t.Helper()
	m := clusterNode(t, nats, name, nats.Servers[0].Monitor)
	key, err := os.ReadFile(nats.NodeFile)
	require.NoError(t, err)
	m.write("node.nk", string(key))
	m.sh(`echo "nats_credentials_file: ` + m.path("node.nk") + `" >> "$BELLHOP_CONFIG"`)
	return m
}

// nodesApart takes the permission for messages to the other nodes from a node.
func nodesApart(t *testing.T, c chapter, nats *natsserver.Cluster, nodes []*machine) {
	t.Helper()
	nats.Refuse(t, "bellhop.BELLHOP.peers.>")
	nodes[0].waitFor("bellhop metrics cluster_nodes", "bellhop_cluster_nodes 1")
	nodes[1].waitFor("bellhop metrics cluster_nodes", "bellhop_cluster_nodes 2")
	nodes[1].waitFor("journalctl -u bellhop", "a node is silent")
	nodes[0].waitFor("journalctl -u bellhop", "cut off from the other nodes")
	show := c.next()
	shown, err := nodes[0].bash(nodes[0].home, show.text)
	require.Error(t, err, "the last command fails, since the other nodes are not heard")
	require.Regexp(t, `(?s)bellhop_cluster_nodes 1\n.*cut off from the other nodes.*node-2 .* not heard of since .*may the NATS user publish and subscribe to bellhop\.BELLHOP\.peers`, shown)
	shown, err = nodes[1].bash(nodes[1].home, show.text)
	require.Error(t, err, "the last command fails, since a node is not heard")
	require.Regexp(t, `(?s)bellhop_cluster_nodes 2\n.*a node is silent.*"node":"node-1".*node-1 .* not heard of since .*node-3 .* yes `, shown)

	nats.Refuse(t)
	nodes[0].waitFor("journalctl -u bellhop", "come back from NATS again")
	for _, m := range nodes {
		m.sh("bellhop cluster --wait 1m")
	}
	require.Regexp(t, `(?s)bellhop_cluster_nodes 3\n.*come back from NATS again.*node-2 .* yes .*node-3 .* yes `, nodes[0].run(show))
	require.Contains(t, nodes[1].run(show), "bellhop_cluster_nodes 3\n")
}

// laggingNode gives a node a disk that is too slow for what the others publish: it takes some seconds to write a batch.
func laggingNode(t *testing.T, c chapter, disk *slowdisk.Disk, nodes []*machine) {
	t.Helper()
	m, show := nodes[2], c.next()
	disk.SlowWrites(200 * time.Millisecond)
	require.Eventually(t, func() bool { // the kernel and the store take the first batch
		if !m.fallsBehind(nodes[1]) {
			return false
		}
		shown, err := m.bash(m.home, show.text)
		lags := lagsShown(t, shown)
		return err != nil && len(lags) == 2 && lags[0] >= 2 && lags[1] > lags[0]+2 &&
			regexp.MustCompile(`(?s)node-2 .* yes .*node-3 .* no: this node is [\d.]+s behind the journal`).MatchString(shown)
	}, timeout, time.Millisecond, "the node does not lag")
	disk.Repair()
	m.sh("bellhop cluster --wait 1m")
	require.Equal(t, []float64{0, 0}, lagsShown(t, m.run(show)))
}

// fallsBehind publishes a large batch on another node, and reports whether this one is more than two seconds behind then,
// before it has applied the batch.
func (m *machine) fallsBehind(other *machine) bool {
	m.t.Helper()
	item := fmt.Sprintf(`,{"to":{"users":["ada"]},"type":"test","title":"x","data":{"filler":%q}}`, noise(16_000))
	status, answer := other.post("/notify/batch", `{"notifications":[`+strings.Repeat(item, 100)[1:]+"]}", "Authorization", "Bearer "+token(m.t, "backend", notify.ScopePublish))
	require.Equal(m.t, http.StatusAccepted, status, answer)
	for published := other.sequence(); m.sequence() < published; {
		if lags := lagsShown(m.t, m.sh("bellhop metrics journal_lag bellhop_ready")); len(lags) > 0 && lags[0] >= 2 { // none while it is cut off
			return true
		}
	}
	return false
}

// sequence returns the last sequence that the node has applied.
func (m *machine) sequence() (sequence int) {
	m.t.Helper()
	_, err := fmt.Sscanf(m.sh("bellhop metrics journal_sequence"), "bellhop_journal_sequence %d", &sequence)
	require.NoError(m.t, err)
	return sequence
}

// lagsShown returns the lags that the commands of the guide show.
func lagsShown(t *testing.T, out string) (lags []float64) {
	t.Helper()
	for _, found := range regexp.MustCompile(`(?m)^bellhop_journal_lag_seconds (\S+)$`).FindAllStringSubmatch(out, -1) {
		lag, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		lags = append(lags, lag)
	}
	return lags
}

// differentState gives a node a program with a mistake in the code that changes the state.
func differentState(t *testing.T, c chapter, nodes []*machine) {
	t.Helper()
	m := nodes[2]
	m.sh("systemctl stop bellhop")
	m.replace(built.WithMistake(t))
	m.start()
	batch := `{"notifications":[` + strings.Repeat(draft+",", 999) + draft + `]}`
	compare := func() {
		for range 9 { // states are compared at each multiple of 8192 entries
			status, answer := nodes[1].post("/notify/batch", batch, "Authorization", "Bearer "+token(t, "backend", notify.ScopePublish))
			require.Equal(t, http.StatusAccepted, status, answer)
		}
	}
	compare()
	m.waitFor("bellhop metrics journal_hash", "bellhop_journal_hash_diverged 1")
	m.waitFor("journalctl -u bellhop", "has stopped following")
	nodes[1].waitFor("journalctl -u bellhop", "the state of other nodes differs")
	nodes[1].waitFor("bellhop metrics journal_hash", "bellhop_journal_hash_contradicting_nodes 1")
	nodes[1].waitFor("bellhop cluster", "diverged")
	show := c.next()
	shown, err := nodes[1].bash(nodes[1].home, show.text)
	require.Error(t, err, "the last command fails, since a node is not ready")
	require.Regexp(t, `(?s)contradicting_nodes 1\n.*hash_diverged 0\n.*the state of other nodes differs.*"nodes":\["node-3"\].*node-2 .* 1 agree, 1 contradict at.*node-3 .* no: .* diverged\n`, shown)
	shown, err = m.bash(m.home, show.text)
	require.Error(t, err, "the last command fails, since the node is not ready")
	require.Regexp(t, `(?s)contradicting_nodes 2\n.*hash_diverged 1\n.*has stopped following.*node-3 .* no: .* the state of this node differs .* diverged\n`, shown)

	m.replace(present.Path(t))
	m.run(firstBlock(t, "A lost node"))
	compare()
	for _, m := range nodes {
		m.waitFor("bellhop metrics journal_hash", "bellhop_journal_hash_agreeing_nodes 2")
		require.Regexp(t, `(?s)contradicting_nodes 0\n.*hash_diverged 0\n`, m.run(show))
	}
}
