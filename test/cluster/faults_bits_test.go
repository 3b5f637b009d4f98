package cluster

import (
	"context"
	"crypto/sha256"
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

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/traffic"
)

// bitFaults are those of a file of a NATS server: the server is stopped, one bit of the file is
// changed, and it is started again. Then it becomes the leader of the stream, the test asks it for
// each message, and a node without data reads the whole stream from it.
func bitFaults() []fault {
	return []fault{
		{name: "a bit flips in a block of the stream, on one NATS server", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			s := c.leader()
			if c.flip(t, l, s, filepath.Join(s.StoreDir, "jetstream/$G/streams/BELLHOP/msgs/*.blk")) {
				c.note("it has copied them from the others when it started")
			}
			c.replaceStore(t, s)
		}},
		{name: "a bit flips in the Raft log of the stream, on one NATS server", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			s := c.leader()
			c.flip(t, l, s, filepath.Join(s.StoreDir, "jetstream/$SYS/_js_", c.raftGroup(t), "msgs/*.blk"))
			if strings.Contains(s.Log(t), "from WAL") {
				c.note("it notices it, and copies from the others")
			}
		}},
		{name: "a bit flips in the snapshot of the metadata, on one NATS server", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			s := c.leader()
			before := c.messages(t, s)
			s.Kill(t)
			flipIn(t, filepath.Join(s.StoreDir, "jetstream/$SYS/_js_/_meta_/snapshots/*"))
			s.Start(t)
			s.WaitEnd(t, timeout)
			require.Contains(t, s.Log(t), "snapshot corrupt")
			c.recovers(l)
			c.note("%s does not start any more", s.Name)
			c.replaceStore(t, s)
			c.readAll(t, l, s, before)
		}},
	}
}

// flip kills the server that leads the stream, changes a bit of the largest file that matches a
// pattern, starts the server again, and reads the stream from it. It reports whether the server has
// replaced the bit, or no longer has the file.
func (c *cluster) flip(t *testing.T, l *traffic.Load, s *natsserver.Server, pattern string) (repaired bool) {
	t.Helper()
	before := c.messages(t, s)
	s.Kill(t) // at a stop it would shorten its Raft logs
	isFlipped := flipIn(t, pattern)
	s.Start(t)
	c.recovers(l)
	c.waitReplicas()
	c.readAll(t, l, s, before)
	return !isFlipped()
}

// flipIn changes a bit in the middle of the largest file that matches a pattern. isFlipped reports
// whether the file still has the other bit.
func flipIn(t *testing.T, pattern string) (isFlipped func() bool) {
	t.Helper()
	name := largest(t, pattern)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	b[len(b)/2] ^= 1 << 3
	require.NoError(t, os.WriteFile(name, b, 0o600))
	t.Logf("one bit of %s is another one, of %d bytes", name, len(b))
	return func() bool {
		now, err := os.ReadFile(name)
		return err == nil && len(now) > len(b)/2 && now[len(b)/2] == b[len(b)/2]
	}
}

// messages returns the digests of all messages of the stream by their sequence, read from the files
// of a server: the leader answers such requests, and no other server. A message that it does not
// find, or refuses to return, has none.
func (c *cluster) messages(t *testing.T, s *natsserver.Server) map[uint64]string {
	t.Helper()
	c.lead(t, s)
	conn := c.nats.Connect(t)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	state := stream.CachedInfo().State
	all := map[uint64]string{}
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err == nil {
			digest := sha256.New()
			fmt.Fprintln(digest, m.Subject, m.Time.UnixNano(), m.Header)
			digest.Write(m.Data)
			all[seq] = string(digest.Sum(nil))
			continue
		}
		var refused *jetstream.APIError
		require.ErrorAs(t, err, &refused, "message %d of %s", seq, s.Name)
	}
	require.Equal(t, s, c.leader(), "another server has answered some of the requests")
	return all
}

// readAll asks s for all messages that there were before, none of which may be another one, and has a
// node without data read the stream from it.
func (c *cluster) readAll(t *testing.T, l *traffic.Load, s *natsserver.Server, before map[uint64]string) {
	t.Helper()
	after := c.messages(t, s)
	missing := 0
	for seq, digest := range before {
		switch got, ok := after[seq]; {
		case !ok:
			missing++
		case got != digest:
			t.Errorf("%s returns another message %d", s.Name, seq)
		}
	}
	n := c.nodes[0]
	const lacks = "is missing from the stream"
	said := strings.Count(n.log(t), lacks)
	c.follow(t, n, s, func() bool { return strings.Count(n.log(t), lacks) > said })
	c.recovered()
	l.Grows(t)
	switch noticed := strings.Count(n.log(t), lacks) > said; {
	case noticed:
		c.note("%s lacks %d messages of %d, and does not notice it; %s does, and reads them from another server", s.Name, missing, len(before), n.name)
	case missing > 0:
		t.Errorf("%s lacks %d messages, and %s has read the stream from it without noticing it", s.Name, missing, n.name)
	default:
		c.note("asked for each message, %s returns all %d as they were; %s has read the stream from it", s.Name, len(before), n.name)
	}
}

// follow lets a node without data read the stream, again until it does so from s, or until it has
// noticed that it cannot. The servers choose from which of them a node reads.
func (c *cluster) follow(t *testing.T, n *process, s *natsserver.Server, noticed func() bool) {
	t.Helper()
	js, err := jetstream.New(c.nats.Connect(t))
	require.NoError(t, err)
	for range 30 {
		n.kill(t)
		before := consumers(t, js)
		require.NoError(t, os.RemoveAll(filepath.Join(n.dir, "data")))
		n.start(t)
		c.recovered()
		for name, server := range consumers(t, js) {
			if _, old := before[name]; !old && server == s.Name || noticed() {
				return
			}
		}
	}
	t.Fatalf("%s never reads from %s", n.name, s.Name)
}

// consumers returns the consumers of the stream, and the server that each reads from.
func consumers(t *testing.T, js jetstream.JetStream) map[string]string {
	t.Helper()
	stream, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	all := map[string]string{}
	list := stream.ListConsumers(t.Context())
	for info := range list.Info() {
		if info.Cluster != nil {
			all[info.Name] = info.Cluster.Leader
		}
	}
	require.NoError(t, list.Err())
	return all
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
