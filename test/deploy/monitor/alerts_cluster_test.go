package monitor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/built"
	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/wrongclock"
)

func clustered(t *testing.T) (*process, *natsserver.Cluster) {
	t.Helper()
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	p := node(t, "clustered", nats.URL)
	p.awaitReady()
	return p, nats
}

// node starts a node of a cluster on one NATS server.
func node(t *testing.T, name, url string, settings ...string) *process {
	t.Helper()
	return start(t, name, append(settings, "BELLHOP_NATS_URL="+url, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true")...)
}

func TestANodeThatIsCutOffIsAnAlert(t *testing.T) {
	p, nats := clustered(t)
	nats.Servers[0].Kill(t)
	p.await("it is not ready", func() bool { return p.metric("bellhop_ready ") == 0 })
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopNotReady")
}

func TestALostJournalIsAnAlert(t *testing.T) {
	p, nats := clustered(t)
	js, err := jetstream.New(nats.Connect(t))
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), "BELLHOP"))
	node(t, "another", nats.URL) // begins another journal
	p.await("it has stopped following", func() bool { return p.metric("bellhop_journal_stopped ") == 1 })
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopJournalStopped", "BellhopNotReady")
}

// The node writes its first checkpoint when it starts, and the next one an hour later: the test
// lets hours pass without one.
func TestAnOldCheckpointIsAnAlert(t *testing.T) {
	p, _ := clustered(t)
	p.await("there is a checkpoint", func() bool { return p.metric("bellhop_checkpoint_last_timestamp_seconds ") > 0 })
	newAlerts(t).fires(t, 200*time.Minute, 4*time.Minute, p, func() { p.publish(toAda, "") }, "BellhopCheckpointOld")
}

// A node that cannot reach NATS when it starts is up, and says that it is not ready.
func TestANodeThatWaitsForNATSIsAnAlert(t *testing.T) {
	p := start(t, "waiting", "BELLHOP_NATS_URL=nats://"+natsserver.FreePorts(t, 1)[0])
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopNotReady")
}

// A node was stopped while the others published. When it starts, the network becomes silent before
// it has received everything.
func TestANodeThatIsBehindIsAnAlert(t *testing.T) {
	before, nats := clustered(t)
	before.stop()
	another := node(t, "another", nats.URL)
	another.awaitReady()
	for range 60 {
		another.publish(toAda, filler())
	}
	slow := newLink(t, strings.TrimPrefix(nats.URL, "nats://"), 300_000)
	p := node(t, "behind", "nats://"+slow.address, "BELLHOP_DATA_DIR="+before.dir)
	p.await("it is behind", func() bool { return slow.silent() && p.metric("bellhop_journal_lag_seconds ") > 2 })
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopJournalLags", "BellhopNotReady")
}

// The stream gets a limit, and more than four fifths of that within ten seconds: each ten seconds, messages that
// are in a checkpoint are removed.
func TestAStreamThatIsNearlyFullIsAnAlert(t *testing.T) {
	const limit = 64 << 20 // the least that is allowed
	p, nats := clustered(t)
	js, err := jetstream.New(nats.Connect(t))
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	config := stream.CachedInfo().Config
	config.MaxBytes = limit
	_, err = js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	item := fmt.Sprintf(`,{"to":{"users":["ada"]},"type":"t","title":"x","data":{"filler":%q}}`, filler())
	batch := `{"notifications":[` + strings.Repeat(item, 100)[1:] + "]}"
	for begun := time.Now(); time.Since(begun) < timeout && p.metric("bellhop_journal_stream_bytes ") < 0.85*limit; {
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		if info.State.Bytes < limit*9/10 {
			p.try(http.MethodPost, "/notify/batch", p.backend(), batch)
		}
	}
	newAlerts(t).fires(t, 7*time.Minute, time.Minute, p, nothing, "BellhopJournalNearLimit")
}

// A program that is not bellhop writes to the stream.
func TestAForeignMessageIsAnAlert(t *testing.T) {
	p, nats := clustered(t)
	js, err := jetstream.New(nats.Connect(t))
	require.NoError(t, err)
	a := newAlerts(t)
	require.Empty(t, a.run(2*time.Minute, time.Minute, []*process{p}, nothing))
	_, err = js.Publish(t.Context(), "bellhop.BELLHOP.journal", []byte("hello"))
	require.NoError(t, err)
	p.await("the message was skipped", func() bool { return p.metric(`bellhop_journal_skipped_entries_total{reason="foreign"}`) == 1 })
	a.fires(t, 2*time.Minute, time.Minute, p, nothing, "BellhopJournalForeign")
}

// A clock that is two seconds ahead is not far enough from the right time for the node to be unready.
func TestAWrongClockIsAnAlert(t *testing.T) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	binary := wrongclock.Build(t)
	p := node(t, "clock", nats.URL, program+binary)
	p.awaitReady()
	wrongclock.Set(t, binary, p.cmd.Process.Pid, 2*time.Second)
	newAlerts(t).fires(t, 7*time.Minute, time.Minute, p, func() { p.publish(toAda, "") }, "BellhopClockWrong")
}

// NATS refuses a node its messages to and from the others.
func TestNodesThatDoNotHearEachOtherAreAnAlert(t *testing.T) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1, Keyed: true})
	one := node(t, "one", nats.URL, "BELLHOP_NATS_CREDENTIALS_FILE="+nats.NodeFile)
	one.awaitReady()
	another := node(t, "another", nats.URL)
	another.awaitReady()
	nodes := []*process{one, another}
	hear := func(number float64) {
		for _, p := range nodes {
			p.await("the other node is heard or not", func() bool { return p.metric("bellhop_cluster_nodes ") == number })
		}
	}
	hear(2)
	a := newAlerts(t)
	require.NotContains(t, a.run(4*time.Minute, time.Minute, nodes, nothing), "BellhopNodesApart")
	nats.Refuse(t, "bellhop.BELLHOP.peers.>")
	hear(1)
	require.Contains(t, a.run(4*time.Minute, time.Minute, nodes, nothing), "BellhopNodesApart")
	fired.Store("BellhopNodesApart", true)
}

// Of three nodes, one has a mistake in the code that changes the state. It stops when the states
// are compared, and the others go on.
func TestDifferentStatesAreAnAlert(t *testing.T) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	right := node(t, "right", nats.URL)
	right.awaitReady()
	node(t, "too", nats.URL).awaitReady()
	wrong := node(t, "wrong", nats.URL, program+built.WithMistake(t))
	wrong.awaitReady()
	item := `,{"to":{"users":["ada"]},"type":"t","title":"x"}`
	batch := `{"notifications":[` + strings.Repeat(item, 100)[1:] + "]}"
	right.await("the states were compared", func() bool {
		right.try(http.MethodPost, "/notify/batch", right.backend(), batch)
		return right.metric("bellhop_journal_hash_sequence ") > 0 && wrong.metric("bellhop_journal_stopped ") == 1
	})
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, right, nothing, "BellhopStatesDiffer")
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, wrong, nothing, "BellhopStatesDiffer", "BellhopJournalStopped", "BellhopNotReady")
}
