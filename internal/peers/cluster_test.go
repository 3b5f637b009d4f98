package peers_test

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/test/natsserver"
)

// node is a node with a hub that has a few connections.
type node struct {
	*peers.Cluster
	conn *nats.Conn

	mu        sync.Mutex
	open      []notify.Connection
	ended     []string
	delivered []*notify.Notification
	fault     string
	cutOff    bool
}

func (n *node) Connections(u notify.UserID) []notify.Connection {
	n.mu.Lock()
	defer n.mu.Unlock()
	if u != "ada" {
		return nil
	}
	return slices.Clone(n.open)
}

func (n *node) Disconnect(u notify.UserID, connection string, _ notify.Close) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = append(n.ended, string(u)+" "+connection)
	return 1
}

func (n *node) deliver(c notify.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delivered = append(n.delivered, c.(*notify.Notification))
}

func (n *node) state() peers.State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return peers.State{Sequence: 7, Fault: n.fault, Witnessed: 3, Agree: 2, Connections: 4, CutOff: n.cutOff}
}

func (n *node) setFault(fault string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = fault
}

func (n *node) setCutOff(cutOff bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cutOff = cutOff
}

func (n *node) wasDelivered() []*notify.Notification {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.delivered)
}

// newNode returns a node that has not joined yet.
func newNode(t *testing.T, servers *natsserver.Cluster, name string) *node {
	t.Helper()
	return newNodeOn(servers.Connect(t), name)
}

func newNodeOn(conn *nats.Conn, name string) *node {
	n := &node{conn: conn, open: []notify.Connection{{
		ID: "connection-of-" + name, Transport: "websocket", Since: time.UnixMilli(1_800_000_000_000), Address: netip.MustParseAddr("2001:db8::7"),
	}}}
	n.Cluster = peers.NewCluster(peers.ClusterOptions{
		Conn: n.conn, Stream: "TEST", Node: name, Version: "v1", Rules: 5, Hub: n, Deliver: n.deliver, State: n.state,
		Logger: slog.New(slog.DiscardHandler),
	})
	return n
}

func start(t *testing.T, servers *natsserver.Cluster, name string) *node {
	t.Helper()
	n := newNode(t, servers, name)
	require.NoError(t, n.Join(t.Context()))
	t.Cleanup(func() { assert.NoError(t, n.Close()) })
	return n
}

// nodes waits until n knows as many nodes as there are names, and compares them.
func (n *node) nodes(t *testing.T, names ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var found []string
		for _, other := range n.Nodes() {
			name := other.Name
			switch {
			case other.Silent:
				name += " silent"
			case other.Stopped:
				name += " stopped"
			case !other.Lost.IsZero():
				name += " lost"
			}
			found = append(found, name)
		}
		assert.Equal(t, names, found)
	}, 30*time.Second, 20*time.Millisecond)
}

func ephemeral(id string, users ...notify.UserID) *notify.Notification {
	e := notify.Publish{
		ID: id, Audience: notify.AudienceUser, Users: users, Content: []byte(`"id":"` + id + `","type":"t"`), TTL: time.Minute, Ephemeral: true,
	}
	n := e.Notification(0, time.UnixMilli(1_800_000_000_000).UTC())
	return &n
}

func TestPeersReachTheConnectionsOfAllNodes(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b, c := start(t, servers, "a"), start(t, servers, "b"), start(t, servers, "c")
	for _, n := range []*node{a, b, c} {
		n.nodes(t, "a", "b", "c")
	}

	want := ephemeral("e1", "ada", "user with *.> $JS.API")
	require.NoError(t, a.Deliver(t.Context(), want))
	for _, n := range []*node{a, b, c} {
		require.Eventually(t, func() bool { return len(n.wasDelivered()) == 1 }, 30*time.Second, time.Millisecond)
		got := n.wasDelivered()[0]
		assert.Equal(t, want.Users, got.Users)
		assert.Equal(t, string(want.Content), string(got.Content))
		assert.Equal(t, want.Expires.UnixMilli(), got.Expires.UnixMilli())
		assert.Zero(t, got.Sequence)
	}

	open, err := b.Cluster.Connections(t.Context(), "ada")
	require.NoError(t, err)
	assert.Empty(t, open.Incomplete)
	var at []string
	for _, one := range open.Open {
		at = append(at, one.Node+" "+one.ID+" "+one.Address.String())
	}
	assert.ElementsMatch(t, []string{
		"a connection-of-a 2001:db8::7", "b connection-of-b 2001:db8::7", "c connection-of-c 2001:db8::7",
	}, at)

	counts, err := c.Cluster.CountConnections(t.Context(), []notify.UserID{"nobody", "ada"})
	require.NoError(t, err)
	assert.Empty(t, counts.Incomplete)
	assert.Equal(t, []int{0, 3}, []int{counts.Of[0].Number, counts.Of[1].Number})
	assert.Zero(t, counts.Of[0].Since)
	assert.Equal(t, open.Open[0].Since, counts.Of[1].Since, "the oldest")

	require.NoError(t, c.Cluster.Disconnect(t.Context(), "ada", "x"))
	for _, n := range []*node{a, b, c} {
		assert.Equal(t, []string{"ada x"}, n.ended)
	}
	assert.Equal(t, []uint32{5, 5, 5}, []uint32{a.Nodes()[0].Rules, a.Nodes()[1].Rules, a.Nodes()[2].Rules})
	assert.Zero(t, a.Rules(), "there may be nodes that it has not heard yet")
}

// A node that does not answer is named, and the others are listed.
func TestANodeThatDoesNotAnswerIsIncomplete(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b, c := start(t, servers, "a"), start(t, servers, "b"), start(t, servers, "c")
	a.nodes(t, "a", "b", "c")
	b.nodes(t, "a", "b", "c")
	c.conn.Close()
	open, err := a.Cluster.Connections(t.Context(), "ada")
	require.NoError(t, err)
	assert.Len(t, open.Open, 2)
	assert.Equal(t, []string{"c"}, open.Incomplete)
	counts, err := a.Cluster.CountConnections(t.Context(), []notify.UserID{"ada"})
	require.NoError(t, err)
	assert.Equal(t, 2, counts.Of[0].Number)
	assert.Equal(t, []string{"c"}, counts.Incomplete)
	require.ErrorIs(t, b.Cluster.Disconnect(t.Context(), "ada", ""), notify.ErrOutcomeUnknown)
	assert.Equal(t, []string{"ada "}, a.ended)
	a.nodes(t, "a", "b", "c lost") // and is not asked any more
	require.NoError(t, a.Cluster.Disconnect(t.Context(), "ada", ""))
}

func TestWithoutNATSNothingIsDelivered(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := start(t, servers, "a")
	servers.Servers[0].Kill(t)
	require.Eventually(t, func() bool { return !a.conn.IsConnected() }, 30*time.Second, time.Millisecond)
	require.ErrorIs(t, a.Deliver(t.Context(), ephemeral("e1", "ada")), notify.ErrUnavailable)
	assert.Empty(t, a.wasDelivered())
	require.ErrorIs(t, a.Cluster.Disconnect(t.Context(), "ada", ""), notify.ErrUnavailable)
	assert.Equal(t, []string{"ada "}, a.ended, "its own connections are closed")
	open, err := a.Cluster.Connections(t.Context(), "ada")
	require.NoError(t, err)
	assert.Len(t, open.Open, 1)
}

// A node that hears nobody cannot know which nodes run. It keeps those that it has heard before, and
// says that their connections are missing.
func TestANodeWithoutNATSKeepsTheOthersInMind(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := start(t, servers, "a"), start(t, servers, "b")
	a.nodes(t, "a", "b")
	servers.Servers[0].Kill(t)
	a.nodes(t, "a", "b silent")
	open, err := a.Cluster.Connections(t.Context(), "ada")
	require.NoError(t, err)
	assert.Len(t, open.Open, 1)
	assert.Equal(t, []string{"b"}, open.Incomplete)
	counts, err := a.Cluster.CountConnections(t.Context(), []notify.UserID{"ada"})
	require.NoError(t, err)
	assert.Equal(t, []string{"b"}, counts.Incomplete)

	require.NoError(t, b.Close())
	servers.Servers[0].Start(t)
	a.nodes(t, "a", "b lost") // now it would hear b if that ran
}

// The same holds for a node that is cut off from the journal: the server that it is connected to may have lost the others.
func TestANodeThatIsCutOffKeepsTheOthersInMind(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := start(t, servers, "a"), start(t, servers, "b")
	a.nodes(t, "a", "b")
	a.setCutOff(true)
	b.conn.Close()
	a.nodes(t, "a", "b silent")
	a.setCutOff(false)
	a.nodes(t, "a", "b lost")
}

// A node that stops says so, and is not asked for anything from then on. It may return at once.
func TestANodeThatStopsIsListed(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := start(t, servers, "a"), newNode(t, servers, "b")
	require.NoError(t, b.Join(t.Context()))
	a.nodes(t, "a", "b")
	require.NoError(t, b.Close())
	a.nodes(t, "a", "b stopped")
	open, err := a.Cluster.Connections(t.Context(), "ada")
	require.NoError(t, err)
	assert.Empty(t, open.Incomplete)
	again := start(t, servers, "b")
	a.nodes(t, "a", "b")
	again.nodes(t, "a", "b")
}

// Of two nodes with one name, the later one must not serve, and may once the other has ended.
func TestTwoNodesCannotHaveOneName(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := newNode(t, servers, "a")
	require.NoError(t, first.Join(t.Context()))
	other := start(t, servers, "b")
	second := start(t, servers, "a")
	err := second.NameTaken()
	require.ErrorIs(t, err, notify.ErrUnavailable)
	require.ErrorContains(t, err, "BELLHOP_NODE")
	require.NoError(t, first.NameTaken(), "the older node keeps its name")
	other.nodes(t, "a", "b")

	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return second.NameTaken() == nil }, 30*time.Second, 20*time.Millisecond)
}

// While NATS cannot be reached, a node cannot know that its name is taken. It finds out later.
func TestATakenNameIsFoundLater(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := start(t, servers, "a")
	servers.Servers[0].Kill(t)
	second := newNode(t, servers, "a")
	require.Eventually(t, func() bool { return !second.conn.IsConnected() }, 30*time.Second, time.Millisecond)
	require.NoError(t, second.Join(t.Context()))
	t.Cleanup(func() { assert.NoError(t, second.Close()) })
	require.NoError(t, second.NameTaken())
	servers.Servers[0].Start(t)
	require.Eventually(t, func() bool { return second.NameTaken() != nil }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, first.NameTaken())
}

// The ready node with the smallest name holds the lease. Others take over when it stops, is
// not ready, or cannot be reached.
func TestLease(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := start(t, servers, "a"), start(t, servers, "b")
	a.nodes(t, "a", "b")
	b.nodes(t, "a", "b")

	held, release, err := a.Acquire(t.Context())
	require.NoError(t, err)
	waiting, give := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer give()
	_, _, err = b.Acquire(waiting)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	a.setFault("behind")
	<-held.Done()
	release()
	heldByB, releaseB, err := b.Acquire(t.Context())
	require.NoError(t, err)

	a.setFault("")
	<-heldByB.Done() // a has it again
	releaseB()
	_, releaseA, err := a.Acquire(t.Context())
	require.NoError(t, err)
	releaseA()

	a.conn.Close()
	_, releaseB, err = b.Acquire(t.Context())
	require.NoError(t, err)
	releaseB()
}

// Messages that are not of this service, or of a later version, are ignored.
func TestForeignMessagesAreIgnored(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := start(t, servers, "a"), start(t, servers, "b")
	a.nodes(t, "a", "b")
	b.nodes(t, "a", "b")
	other := servers.Connect(t)
	for _, subject := range []string{"beat", "who", "ephemeral", "connections", "disconnect"} {
		for _, payload := range [][]byte{nil, {0}, {1}, {1, 255}, {2, 1, 1}, []byte(`{"users":["ada"]}`), make([]byte, 1000)} {
			require.NoError(t, other.PublishRequest("bellhop.TEST.peers."+subject, other.NewInbox(), payload))
		}
	}
	require.NoError(t, other.Flush())
	require.NoError(t, b.Deliver(t.Context(), ephemeral("e1", "ada")))
	require.Eventually(t, func() bool { return len(a.wasDelivered()) > 0 }, 30*time.Second, time.Millisecond)
	assert.Equal(t, "e1", a.wasDelivered()[0].ID())
	a.nodes(t, "a", "b")
	assert.Empty(t, a.ended)
}
