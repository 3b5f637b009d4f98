package cluster

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/wrongclock"
)

// A node whose clock is an hour wrong, from its start on or later, stays alive, is not ready, and says
// by how much the clock differs, in /readyz, the log and a metric. The other node goes on. When the clock
// is right again, the node is ready by itself.
func TestANodeWithAWrongClockSaysSo(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	other := settings(t, servers)
	other.Node = "node-2"
	right := start(t, other)
	right.requireReady(t)

	binary := wrongclock.Build(t)
	addresses := natsserver.FreePorts(t, 2)
	n := &process{name: "node-1", public: addresses[0], admin: addresses[1], program: binary, dir: t.TempDir()}
	n.environ = append(os.Environ(), "BELLHOP_NODE="+n.name, "BELLHOP_LISTEN="+n.public, "BELLHOP_ADMIN_LISTEN="+n.admin,
		"BELLHOP_DATA_DIR="+n.dir+"/data", "BELLHOP_JWT_SECRET="+secret, "BELLHOP_NATS_URL="+servers.URL,
		"BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true", "BELLHOP_DRAIN_WINDOW=0")
	t.Cleanup(func() { n.kill(t) })
	n.start(t)
	for _, wrong := range []time.Duration{time.Hour, -time.Hour} {
		wrongclock.Set(t, binary, n.command.Process.Pid, wrong)
		n.requireWrong(t, wrong)
		right.requireReady(t)
		wrongclock.Set(t, binary, n.command.Process.Pid, 0)
		n.requireReady(t)
		require.Contains(t, n.log(t), "the clock of this node is right again")
	}
}

// requireWrong waits until the node says that its clock is ahead by a time.
func (n *process) requireWrong(t *testing.T, ahead time.Duration) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, body, err := get(t.Context(), "http://"+n.public+"/readyz")
		assert.NoError(c, err)
		assert.Equal(c, http.StatusServiceUnavailable, status)
		assert.Regexp(c, fmt.Sprintf("the clock of this node differs by (%v|59m59).*from that of the journal", ahead.Abs()), body)
		_, text, err := get(t.Context(), "http://"+n.admin+"/metrics")
		assert.NoError(c, err)
		assert.InDelta(c, ahead.Seconds(), metric(text, "bellhop_journal_clock_ahead_seconds"), 5)
	}, timeout, 100*time.Millisecond)
	require.Contains(t, n.log(t), "synchronise the clocks")
	n.requireAlive(t)
}

// requireReady waits until the node is ready.
func (n *process) requireReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		ready, _ := n.ready(t.Context())
		return ready
	}, timeout, 50*time.Millisecond, "%s is not ready", n.name)
}

// metric returns the value of a metric without labels, 0 if there is none.
func metric(text, name string) (value float64) {
	for line := range strings.Lines(text) {
		if number, found := strings.CutPrefix(line, name+" "); found {
			_, _ = fmt.Sscan(number, &value)
		}
	}
	return value
}
