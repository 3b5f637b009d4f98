package monitor

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
)

func clustered(t *testing.T) (*process, *natsserver.Cluster) {
	t.Helper()
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	p := start(t, "clustered", "BELLHOP_NATS_URL="+nats.URL, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true")
	p.awaitReady()
	return p, nats
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
	start(t, "another", "BELLHOP_NATS_URL="+nats.URL, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true") // begins another journal
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
	p := start(t, "waiting", "BELLHOP_NATS_URL=nats://"+freeAddress(t))
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopNotReady")
}
