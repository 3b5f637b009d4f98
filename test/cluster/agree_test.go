package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

// status returns the state of the cluster as the last running node sees it.
func (c *cluster) status() (s httpapi.ClusterStatus) {
	for _, n := range c.nodes {
		if n.command == nil {
			continue
		}
		if _, body, err := get(c.t.Context(), "http://"+n.admin+"/cluster"); err == nil {
			_ = json.Unmarshal([]byte(body), &s) // without nodes, the caller asks again
		}
	}
	return s
}

// agree waits until all nodes have compared a state that does not exist yet, and found it the
// same.
func (c *cluster) agree() {
	c.t.Helper()
	before := c.status().Nodes[0].Sequence
	for begun := time.Now(); ; {
		c.fill()
		for range 100 {
			if c.agreeAfter(before) {
				return
			}
			<-time.After(100 * time.Millisecond)
		}
		if time.Since(begun) > timeout {
			c.t.Fatalf("the nodes have not found the same state: %+v", c.status().Nodes)
		}
	}
}

func (c *cluster) agreeAfter(before notify.Sequence) bool {
	c.t.Helper()
	agreed := 0
	for _, n := range c.status().Nodes {
		var agree, contradict int
		var at notify.Sequence
		_, err := fmt.Sscanf(n.Hash, "%d agree, %d contradict at sequence %d", &agree, &contradict, &at)
		require.False(c.t, err == nil && contradict > 0 || n.Hash == "diverged", "%+v", n)
		if err == nil && at > before && agree == nodeCount-1 {
			agreed++
		}
	}
	return agreed == nodeCount
}

// fill publishes more notifications than there are entries between two comparisons.
func (c *cluster) fill() {
	c.t.Helper()
	const batch, witnessEvery = 100, 8192
	one := `{"to":{"users":["filler"]},"type":"n","title":"filler"}`
	body := `{"notifications":[` + strings.Repeat(one+",", batch-1) + one + "]}"
	for i := range witnessEvery/batch + 1 {
		n := c.nodes[i%nodeCount]
		req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+n.public+"/notify/batch", strings.NewReader(body))
		require.NoError(c.t, err)
		req.Header.Set("Authorization", "Bearer "+token(c.t, "backend", notify.ScopePublish))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(c.t, err)
		require.NoError(c.t, resp.Body.Close())
		require.Equal(c.t, http.StatusAccepted, resp.StatusCode)
	}
}

// requireNoContradiction checks that no node has found its state to differ from that of another.
func (c *cluster) requireNoContradiction() {
	c.t.Helper()
	for _, n := range c.nodes {
		assert.Zero(c.t, n.metric(c.t, "bellhop_journal_hash_diverged"), n.name)
		assert.Zero(c.t, n.metric(c.t, "bellhop_journal_hash_contradicting_nodes"), n.name)
	}
}

// metric returns the value of a metric without labels.
func (n *process) metric(t *testing.T, name string) float64 {
	t.Helper()
	status, body, err := get(t.Context(), "http://"+n.admin+"/metrics")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, body)
	for line := range strings.Lines(body) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			require.NoError(t, err, line)
			return v
		}
	}
	t.Fatalf("%s has no metric %s:\n%s", n.name, name, body)
	return 0
}
