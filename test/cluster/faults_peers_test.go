package cluster

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/traffic"
)

// networkFaults are those of packets that are lost, and of messages between nodes that NATS refuses.
func networkFaults() []fault {
	return append(partitionFaults(), fault{name: "a node is cut off from the other nodes, and not from the stream", strike: cutOffFromPeers})
}

// cutOffFromPeers makes NATS refuse a node all messages to and from other nodes, which go through
// NATS: nodes have no connections to each other. The node stays ready, since stored notifications
// arrive on all nodes, as the load shows. It refuses ephemeral ones, and does not get those of
// others. It says so. When NATS lets it, it gets them again.
func cutOffFromPeers(t *testing.T, c *cluster, l *traffic.Load) {
	n, other := c.nodes[0], c.nodes[1]
	here, there := n.watch(t), other.watch(t)
	c.waitNodes(t, n, nodeCount)
	const line = "this node is cut off from the other nodes"
	lines := strings.Count(n.log(t), line) // after a fault of the network
	c.nats.Refuse(t, "bellhop.BELLHOP.peers.>")
	defer c.nats.Refuse(t) // also if the test fails here
	begun := time.Now()
	require.Eventually(t, func() bool { return strings.Count(n.log(t), line) > lines }, timeout, 50*time.Millisecond,
		"%s does not log it", n.name)
	c.note("%s logs it after %.1f s, answers ephemeral notifications with 503, does not receive those of others, and stays ready", n.name, time.Since(begun).Seconds())
	c.waitNodes(t, n, 1)
	c.waitNodes(t, other, nodeCount-1)
	s, err := n.status(t.Context())
	require.NoError(t, err)
	assert.Contains(t, s.Problem, "do not come back from NATS")
	ready, why := n.ready(t.Context())
	assert.True(t, ready, why)

	status, body := n.publish(t, "ephemeral of node-1", true)
	assert.Equal(t, http.StatusServiceUnavailable, status, body)
	other.requirePublish(t, "ephemeral", true)
	there.next(t, "ephemeral")
	other.requirePublish(t, "stored", false)
	here.next(t, "stored")
	there.next(t, "stored")
	n.requirePublish(t, "stored by node-1", false)
	here.next(t, "stored by node-1")
	there.next(t, "stored by node-1")
	l.Grows(t)

	c.nats.Refuse(t)
	ended := time.Now()
	c.waitNodes(t, n, nodeCount)
	c.waitNodes(t, other, nodeCount)
	require.Eventually(t, func() bool {
		status, _ := n.publish(t, "ephemeral again", true)
		return status == http.StatusAccepted
	}, timeout, 50*time.Millisecond)
	there.next(t, "ephemeral again")
	here.next(t, "ephemeral again")
	other.requirePublish(t, "ephemeral of another", true)
	here.next(t, "ephemeral of another")
	c.recovery = time.Since(ended)
}

// waitNodes waits until a node has heard of a number of nodes lately, itself included.
func (c *cluster) waitNodes(t *testing.T, n *process, number int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.InDelta(c, number, n.metric(t, "bellhop_cluster_nodes"), 0)
	}, timeout, 50*time.Millisecond, "on %s", n.name)
}

// publish publishes a notification to the user "observer".
func (n *process) publish(t *testing.T, title string, ephemeral bool) (status int, answer string) {
	t.Helper()
	more := ""
	if ephemeral {
		more = `,"ephemeral":true`
	}
	return n.request(t, http.MethodPost, "/notify", `{"to":{"users":["observer"]},"type":"n","title":"`+title+`"`+more+`}`)
}

func (n *process) requirePublish(t *testing.T, title string, ephemeral bool) {
	t.Helper()
	status, body := n.publish(t, title, ephemeral)
	require.Equal(t, http.StatusAccepted, status, body)
}

// watcher is a connection of the user "observer".
type watcher struct {
	n      *process
	frames chan string
}

// watch opens a connection to n, which lives until the test ends.
func (n *process) watch(t *testing.T) *watcher {
	t.Helper()
	header := http.Header{"Authorization": {"Bearer " + token(t, "observer")}}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+n.public+"/ws", &websocket.DialOptions{HTTPHeader: header})
	require.NoError(t, err)
	w := &watcher{n: n, frames: make(chan string, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			_, frame, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			w.frames <- string(frame)
		}
	}()
	t.Cleanup(func() {
		_ = conn.CloseNow() // it may be closed
		<-ended
	})
	return w
}

// next waits for a notification, which must have a title.
func (w *watcher) next(t *testing.T, title string) {
	t.Helper()
	for {
		select {
		case frame := <-w.frames:
			if !strings.Contains(frame, `"title":`) {
				continue
			}
			require.Contains(t, frame, `"title":"`+title+`"`, "on %s", w.n.name)
			return
		case <-time.After(timeout):
			t.Fatalf("%q does not arrive on %s", title, w.n.name)
		}
	}
}
