package cluster

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/test/natsserver"
)

// GET /cluster on any node shows all nodes, and which have stopped. Without NATS it shows why the stream cannot be
// read, and that the node that answers does not know the state of the others.
func TestEachNodeShowsTheCluster(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	var nodes []*node
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		cfg := settings(t, servers)
		cfg.Node = name
		nodes = append(nodes, start(t, cfg))
	}
	for _, n := range nodes {
		n.requireReady(t)
	}
	for i, n := range nodes {
		n.requireStatus(t, func(c *assert.CollectT, s httpapi.ClusterStatus) {
			assert.Equal(c, []string{"node-1", "node-2", "node-3"}[i], s.Node)
			assert.Equal(c, []string{"node-1 true", "node-2 true", "node-3 true"}, states(s))
			assert.Empty(c, s.Problem)
			if assert.NotNil(c, s.Stream) {
				assert.Equal(c, "BELLHOP", s.Stream.Name)
				assert.Equal(c, 1, s.Stream.Replicas)
				assert.NotEmpty(c, s.Stream.Identity)
				assert.Positive(c, s.Stream.Last)
			}
			for _, other := range s.Nodes {
				assert.Equal(c, s.Nodes[0].Sequence, other.Sequence)
			}
		})
	}

	nodes[2].stop()
	nodes[0].requireStatus(t, func(c *assert.CollectT, s httpapi.ClusterStatus) {
		assert.Equal(c, []string{"node-1 true", "node-2 true", "node-3 lost"}, states(s))
		assert.Regexp(c, `^stopped at \d\d:\d\d:\d\d UTC, \d+s ago$`, s.Nodes[2].Reason)
		assert.Nil(c, s.Nodes[2].Connections)
	})
	servers.Servers[0].Kill(t)
	nodes[0].requireStatus(t, func(c *assert.CollectT, s httpapi.ClusterStatus) {
		assert.Equal(c, []string{"node-1 false", "node-2 false", "node-3 lost"}, states(s))
		assert.Contains(c, s.Problem, "the stream cannot be read")
		if assert.Len(c, s.Nodes, 3) {
			assert.Contains(c, s.Nodes[0].Reason, "no connection to NATS")
			assert.Contains(c, s.Nodes[1].Reason, "the asked node is cut off")
		}
	})
}

// states returns the name of each node, and whether it is ready or lost.
func states(s httpapi.ClusterStatus) (all []string) {
	for _, n := range s.Nodes {
		state := " false"
		switch {
		case n.Ready:
			state = " true"
		case n.Lost:
			state = " lost"
		}
		all = append(all, n.Name+state)
	}
	return all
}

// requireStatus waits until check accepts the answer to GET /cluster.
func (n *node) requireStatus(t *testing.T, check func(*assert.CollectT, httpapi.ClusterStatus)) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, body, err := get(t.Context(), n.admin+"/cluster")
		assert.NoError(c, err)
		assert.Equal(c, http.StatusOK, status, body)
		var s httpapi.ClusterStatus
		assert.NoError(c, json.Unmarshal([]byte(body), &s))
		check(c, s)
	}, timeout, 50*time.Millisecond)
}

// A node that is alone says that it has no cluster.
func TestANodeAloneHasNoCluster(t *testing.T) {
	t.Parallel()
	cfg := settings(t, &natsserver.Cluster{})
	cfg.NATSURL = nil
	status, body, err := get(t.Context(), start(t, cfg).admin+"/cluster")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "BELLHOP_NATS_URL is not set")
}
