package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/traffic"
)

// bitFaults are those of a file of a NATS server: the server is stopped, one bit of the file is
// changed, and it is started again. Then it becomes the leader of the stream, and a node without
// data reads the whole stream.
func bitFaults() []fault {
	return []fault{
		{name: "a bit flips in a block of the stream, on one NATS server", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			s := c.leader()
			c.flip(t, s, filepath.Join(s.StoreDir, "jetstream/$G/streams/BELLHOP/msgs/*.blk"))
			c.waitReplicas()
			c.readAll(t, l, s)
			if strings.Contains(c.nodes[0].log(t), "is missing from the stream") {
				c.note("%s lacks a message from then on, and does not notice it; node-1 does, and reads it from another server", s.Name)
			} else {
				c.note("%s does not notice it; node-1 has read the stream from another server", s.Name)
			}
			c.replaceStore(t, s)
		}},
		{name: "a bit flips in the Raft log of the stream, on one NATS server", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			s := c.leader()
			c.flip(t, s, filepath.Join(s.StoreDir, "jetstream/$SYS/_js_", c.raftGroup(t), "msgs/*.blk"))
			c.waitReplicas()
			c.readAll(t, l, s)
			if strings.Contains(s.Log(t), "from WAL") {
				c.note("%s notices it, and copies from the others", s.Name)
			} else {
				c.note("%s does not notice it, and lacks nothing", s.Name)
			}
		}},
		{name: "a bit flips in the snapshot of the metadata, on one NATS server", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			s := c.leader()
			c.flip(t, s, filepath.Join(s.StoreDir, "jetstream/$SYS/_js_/_meta_/snapshots/*"))
			s.WaitEnd(t, timeout)
			require.Contains(t, s.Log(t), "snapshot corrupt")
			c.recovered()
			l.Grows(t)
			c.note("%s does not start any more", s.Name)
			c.replaceStore(t, s)
			c.readAll(t, l, s)
		}},
	}
}

// flip kills the server, changes a bit in the middle of the largest file that matches a pattern,
// and starts it again.
func (c *cluster) flip(t *testing.T, s *natsserver.Server, pattern string) {
	t.Helper()
	s.Kill(t) // at a stop it would shorten its Raft logs
	name := largest(t, pattern)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	b[len(b)/2] ^= 1 << 3
	require.NoError(t, os.WriteFile(name, b, 0o600))
	t.Logf("one bit of %s is another one, of %d bytes", name, len(b))
	s.Start(t)
}

// readAll makes s the leader of the stream, and has a node without data read the whole stream.
func (c *cluster) readAll(t *testing.T, l *traffic.Load, s *natsserver.Server) {
	t.Helper()
	c.recovered()
	l.Grows(t)
	c.lead(t, s)
	n := c.nodes[0]
	n.kill(t)
	require.NoError(t, os.RemoveAll(filepath.Join(n.dir, "data")))
	n.start(t)
	c.recovered()
}

// replaceStore does what the operating guide says about a damaged NATS server.
func (c *cluster) replaceStore(t *testing.T, s *natsserver.Server) {
	t.Helper()
	if s.Running() {
		s.Stop(t)
	}
	require.NoError(t, os.RemoveAll(filepath.Join(s.StoreDir, "jetstream")))
	s.Start(t)
	c.waitReplicas()
	c.note("an operator removes its files, and it copies those of the others")
}

// largest returns the largest of the files that match a pattern.
func largest(t *testing.T, pattern string) (name string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, names, pattern)
	size := func(name string) int64 {
		info, err := os.Stat(name)
		require.NoError(t, err)
		return info.Size()
	}
	return slices.MaxFunc(names, func(a, b string) int { return int(size(a) - size(b)) })
}

// raftGroup returns the name of the Raft group of the stream.
func (c *cluster) raftGroup(t *testing.T) string {
	t.Helper()
	conn := c.nats.Connect(t)
	defer conn.Close()
	reply, err := conn.Request("$JS.API.STREAM.INFO.BELLHOP", nil, timeout)
	require.NoError(t, err)
	var info struct {
		Cluster struct {
			RaftGroup string `json:"raft_group"`
		} `json:"cluster"`
	}
	require.NoError(t, json.Unmarshal(reply.Data, &info))
	require.NotEmpty(t, info.Cluster.RaftGroup)
	return info.Cluster.RaftGroup
}

// lead makes a server the leader of the stream.
func (c *cluster) lead(t *testing.T, s *natsserver.Server) {
	t.Helper()
	conn := c.nats.Connect(t)
	defer conn.Close()
	require.Eventually(t, func() bool {
		if c.leader() == s {
			return true
		}
		reply, err := conn.Request("$JS.API.STREAM.LEADER.STEPDOWN.BELLHOP", fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, s.Name), 2*time.Second)
		if err == nil && strings.Contains(string(reply.Data), `"error"`) {
			t.Logf("%s does not become the leader: %s", s.Name, reply.Data)
		}
		return false
	}, timeout, time.Second, "%s does not become the leader", s.Name)
}

// requireSameInboxes compares the inboxes of the users of a load on all nodes.
func (c *cluster) requireSameInboxes(t *testing.T, prefix string) {
	t.Helper()
	for i := range users {
		user := fmt.Sprint(prefix, "-", i)
		want := c.nodes[0].inbox(t, user)
		assert.NotEmpty(t, want)
		for _, n := range c.nodes[1:] {
			assert.Equal(t, want, n.inbox(t, user), "%s on %s", user, n.name)
		}
	}
}

// inbox returns the IDs of all notifications of a user.
func (n *process) inbox(t *testing.T, user string) (ids []string) {
	t.Helper()
	for before := ""; ; {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet,
			"http://"+n.public+"/inbox?limit=100&before="+url.QueryEscape(before), http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token(t, user))
		status, body, err := do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &page))
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		if before = page.Next; before == "" {
			return ids
		}
	}
}
