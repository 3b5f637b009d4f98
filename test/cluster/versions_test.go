package cluster

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/traffic"
)

// subject is that of the messages of the journal.
const subject = "bellhop.BELLHOP.journal"

// heldBack makes a node use the rules of this version.
const heldBack = "BELLHOP_MAX_RULES=1"

// Two versions of bellhop run side by side in a cluster under load, while nodes are updated and
// put back in any order: nothing is lost, repeated or reordered, no client gets a reset, and all
// nodes have the same state. Entries of a new kind are written only after every node has
// announced that it can apply them. A node that cannot is not ready and says that it must be
// updated, and goes on when it is.
func TestTwoVersionsSideBySide(t *testing.T) {
	t.Parallel()
	u := &updates{cluster: startCluster(t), t: t, newer: buildNewer(t)}
	u.older = u.nodes[0].program
	u.load = u.startLoad(t, "versions")
	u.load.Grows(t)

	for _, n := range u.nodes { // the update that can be undone
		u.update(n, u.newer, heldBack)
		u.writeForeign()
	}
	u.agree()
	for _, n := range u.nodes {
		u.update(n, u.older)
	}
	u.agree()

	u.update(u.nodes[2], u.newer) // two versions, for longer than it takes to bring rules into force
	u.update(u.nodes[1], u.newer)
	u.agree()
	u.absence(u.nodes[0])
	u.agree()
	require.Equal(t, found{foreign: nodeCount}, u.stream(), "a node has not announced the new kind")

	u.nodes[0].stop(t) // it is not part of the cluster any more
	u.labelled()
	u.tooOld(u.nodes[0]) // its store has the earlier rules
	u.update(u.nodes[0], u.newer)
	u.agree()
	u.update(u.nodes[1], u.newer)
	u.nodes[1].stop(t)
	u.tooOld(u.nodes[1]) // its store has the later ones
	u.update(u.nodes[1], u.newer, heldBack)
	u.agree()

	u.load.Stop()
	t.Log(u.load.RequireKept(t).String())
	o := u.load.Compare()
	t.Logf("%d acknowledged, %d attempts failed; %+v", o.Acknowledged, o.Refused, u.stream())
	assert.Zero(t, o.Lost, "lost")
	assert.Zero(t, o.Repeated, "repeated")
	assert.Zero(t, o.Reordered, "reordered")
	assert.Zero(t, o.Announced, "announced by reset")
}

// updates is a cluster whose nodes run one of two versions, under load.
type updates struct {
	*cluster
	t            *testing.T
	load         *traffic.Load
	older, newer string // programs
}

// update restarts a node with a program, and waits until it is ready and notifications arrive.
func (u *updates) update(n *process, program string, settings ...string) {
	u.t.Helper()
	if n.command != nil {
		n.stop(u.t)
	}
	n.program = program
	n.environ = slices.DeleteFunc(n.environ, func(s string) bool { return s == heldBack })
	n.environ = append(n.environ, settings...)
	n.start(u.t)
	u.waitReady()
	u.load.Grows(u.t)
}

// writeForeign writes an entry of the new kind to the stream, although no node may.
func (u *updates) writeForeign() {
	u.t.Helper()
	js, err := jetstream.New(u.nats.Connect(u.t))
	require.NoError(u.t, err)
	encoded := append([]byte{newerKind, 1}, "\x07foreign"...)
	_, err = js.Publish(u.t.Context(), subject, entry.AppendMessage(nil, []notify.Entry{notify.Unknown{Encoded: encoded}}))
	require.NoError(u.t, err)
	u.load.Grows(u.t)
	for _, n := range u.nodes {
		if n.program == u.older {
			u.skips(n)
		}
	}
}

// skips waits until a node has counted an entry of the new kind that it has skipped.
func (u *updates) skips(n *process) {
	u.t.Helper()
	require.EventuallyWithT(u.t, func(c *assert.CollectT) {
		_, metrics, err := get(u.t.Context(), "http://"+n.admin+"/metrics")
		assert.NoError(c, err)
		assert.Regexp(c, `bellhop_journal_skipped_entries_total\{reason="newer"\} [1-9]`, metrics)
	}, timeout, 20*time.Millisecond)
}

// absence stops a node until the others list it as lost, and starts it again.
func (u *updates) absence(n *process) {
	u.t.Helper()
	n.stop(u.t)
	isLost := func(other httpapi.ClusterNode) bool { return other.Lost }
	require.Eventually(u.t, func() bool { return slices.ContainsFunc(u.status().Nodes, isLost) }, timeout, 50*time.Millisecond)
	n.start(u.t)
	u.waitReady()
	u.load.Grows(u.t)
}

// tooOld starts the older program on a node. It must stay alive, and say that it must be updated,
// while the others go on.
func (u *updates) tooOld(n *process) {
	u.t.Helper()
	n.program = u.older
	n.start(u.t)
	require.EventuallyWithT(u.t, func(c *assert.CollectT) {
		ready, why := n.ready(u.t.Context())
		assert.False(c, ready)
		assert.Contains(c, why, "newer rules")
		assert.Contains(c, why, "start a newer program")
	}, timeout, 50*time.Millisecond)
	u.load.Grows(u.t)
	status, _, err := get(u.t.Context(), "http://"+n.public+"/livez")
	require.NoError(u.t, err)
	require.Equal(u.t, http.StatusOK, status, "a restart would not help")
}

// found is what the stream contains.
type found struct {
	foreign int // entries of the new kind before the later rules are in force
	rules   int // generations that bring them into force
	labels  int // entries of the new kind after the first of those
}

// labelled waits until the nodes write entries of the new kind, which is after they have brought
// the rules into force, once.
func (u *updates) labelled() {
	u.t.Helper()
	require.Eventually(u.t, func() bool { return u.stream().labels > 2 }, timeout, 200*time.Millisecond, "the rules are not in force")
	f := u.stream()
	require.Equal(u.t, found{foreign: nodeCount, rules: 1, labels: f.labels}, f)
}

// stream reads the whole stream.
func (u *updates) stream() (f found) {
	u.t.Helper()
	js, err := jetstream.New(u.nats.Connect(u.t))
	require.NoError(u.t, err)
	s, err := js.Stream(u.t.Context(), "BELLHOP")
	require.NoError(u.t, err)
	state := s.CachedInfo().State
	require.Equal(u.t, uint64(1), state.FirstSeq, "nothing was purged")
	c, err := s.OrderedConsumer(u.t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(u.t, err)
	messages, err := c.Messages()
	require.NoError(u.t, err)
	defer messages.Stop()
	for range state.LastSeq {
		m, err := messages.Next(jetstream.NextMaxWait(timeout))
		require.NoError(u.t, err)
		for _, e := range entry.DecodeMessage(m.Data()) {
			f.note(e)
		}
	}
	return f
}

// note counts an entry. This version cannot read those of the new kind.
func (f *found) note(e notify.Entry) {
	switch e := e.(type) {
	case notify.Generation:
		if e.Rules >= newerRules {
			f.rules++
		}
	case notify.Unknown:
		switch {
		case e.Encoded[0] != newerKind:
		case f.rules == 0:
			f.foreign++
		default:
			f.labels++
		}
	}
}
