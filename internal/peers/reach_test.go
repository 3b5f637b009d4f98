package peers_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

const timeout = 30 * time.Second

// startKeyed starts a node whose user may be refused subjects.
func startKeyed(t *testing.T, servers *natsserver.Cluster, name string) *node {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(servers.NodeFile)
	require.NoError(t, err)
	conn, err := nats.Connect(servers.URL, key)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	n := newNodeOn(conn, name)
	require.NoError(t, n.Join(t.Context()))
	t.Cleanup(func() { assert.NoError(t, n.Close()) })
	return n
}

// A node whose messages to the others NATS refuses refuses ephemeral notifications, names the nodes
// that it cannot ask, and reaches the others again when NATS lets it.
func TestANodeThatIsCutOffFromTheOthers(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1, Keyed: true})
	a, b := startKeyed(t, servers, "a"), start(t, servers, "b")
	a.nodes(t, "a", "b")
	require.Eventually(t, func() bool { return a.Ready() == nil }, timeout, time.Millisecond)
	require.NoError(t, a.CutOff())

	servers.Refuse(t, "bellhop.TEST.peers.>")
	require.Eventually(t, func() bool { return a.CutOff() != nil }, timeout, time.Millisecond)
	require.ErrorContains(t, a.CutOff(), "bellhop.TEST.peers.>")
	require.NoError(t, b.CutOff())
	require.NoError(t, a.Ready(), "stored notifications arrive")
	require.ErrorIs(t, a.Deliver(t.Context(), ephemeral("e1", "ada")), notify.ErrUnavailable)
	assert.Empty(t, a.wasDelivered())
	require.ErrorIs(t, a.Cluster.Disconnect(t.Context(), "ada", ""), notify.ErrUnavailable)
	open, err := a.Cluster.Connections(t.Context(), "ada")
	require.NoError(t, err)
	assert.Len(t, open.Open, 1)
	assert.Equal(t, []string{"b"}, open.Incomplete)
	b.nodes(t, "a lost", "b")

	servers.Refuse(t)
	require.Eventually(t, func() bool { return a.CutOff() == nil }, timeout, time.Millisecond)
	a.nodes(t, "a", "b")
	require.NoError(t, b.Deliver(t.Context(), ephemeral("e2", "ada")))
	require.Eventually(t, func() bool { return len(a.wasDelivered()) == 1 }, timeout, time.Millisecond)
}

// A node that has never reached the others is not ready, and becomes ready when it does.
func TestANodeThatNeverReachedTheOthersIsNotReady(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1, Keyed: true})
	servers.Refuse(t, "bellhop.TEST.peers.>")
	a := startKeyed(t, servers, "a")
	require.Eventually(t, func() bool { return a.CutOff() != nil }, timeout, time.Millisecond)
	require.ErrorIs(t, a.Ready(), notify.ErrUnavailable)
	servers.Refuse(t)
	require.Eventually(t, func() bool { return a.Ready() == nil }, timeout, time.Millisecond)
}
