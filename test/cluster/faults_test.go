package cluster

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/traffic"
)

var (
	update = flag.Bool("update", false, "write the table of faults into README.md")
	full   = flag.Bool("full", false, "faults of full duration, and each NATS server in turn instead of one; takes about half an hour")
)

// fault is something that fails while a cluster is under load. strike makes it fail, and
// returns when everything runs again.
type fault struct {
	name   string
	strike func(t *testing.T, c *cluster, l *traffic.Load)
}

// pause is how long a NATS server is paused. After some four seconds the others elect a leader.
func pause() time.Duration { return duration(12*time.Second, 30*time.Second) }

// absence is how long there is no NATS server.
func absence() time.Duration { return duration(20*time.Second, 10*time.Minute) }

// inWords returns a duration for the table.
func inWords(d time.Duration) string {
	if d >= time.Minute {
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func duration(small, large time.Duration) time.Duration {
	if *full {
		return large
	}
	return small
}

// one names the servers of each.
func one() string {
	if *full {
		return "each NATS server in turn"
	}
	return "the NATS server that leads the stream"
}

// each calls strike with the NATS server that leads the stream, or at full size with each. Before
// the next one, everything has recovered.
func (c *cluster) each(t *testing.T, l *traffic.Load, strike func(*natsserver.Server)) {
	t.Helper()
	servers := []*natsserver.Server{c.leader()}
	if *full {
		servers = c.nats.Servers
	}
	for _, s := range servers {
		c.waitReplicas()
		strike(s)
		c.recovered()
		l.Grows(t)
	}
}

// In every fault of a process, the network, a disk or a file of NATS, each notification that was
// acknowledged reaches its listener exactly once and in order, without a reset, and the nodes
// become ready again without an operator. Deferred notifications arrive once, expired ones are gone,
// tickets are accepted once, and marks and revocations hold on every node.
func TestFaultsLoseNothing(t *testing.T) {
	var table strings.Builder
	for _, kind := range []struct {
		name   string
		faults []fault
	}{{"processes", processFaults()}, {"network", networkFaults()}, {"disks", diskFaults()}, {"files", bitFaults()}} {
		t.Run(kind.name, func(t *testing.T) {
			c := startCluster(t)
			for i, f := range kind.faults {
				t.Run(f.name, func(t *testing.T) {
					fmt.Fprintf(&table, "| %s | %s |\n", f.name, c.run(t, f, fmt.Sprint("fault", i)))
				})
			}
			c.agree()
		})
	}
	size := ""
	if *full {
		size = " -full"
	}
	text := fmt.Sprintf("| fault | load, and what else was acknowledged | acknowledged | attempts that failed | lost | repeated | reordered | announced by `reset` | "+
		"slowest answer | recovery | remarks |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n%s\n"+
		"`go test ./test/cluster -run TestFaultsLoseNothing -timeout 60m%s -update`, %s, %s, %s.\n",
		table.String(), size, time.Now().Format(time.DateOnly), traffic.Commit(), traffic.Machine())
	t.Log("\n" + text)
	if *update && !t.Failed() {
		require.NoError(t, traffic.WriteTable("README.md", text))
	}
}

// run strikes with a fault under load, and returns the line of the table. The names of the
// users begin with prefix.
func (c *cluster) run(t *testing.T, f fault, prefix string) (line string) {
	t.Helper()
	before := c.t
	c.t, c.recovery, c.notes = t, 0, nil
	defer func() { c.t = before }()
	l := c.startLoad(t, prefix)
	l.Grows(t)
	f.strike(t, c, l)
	c.recovered()
	l.Grows(t)
	l.Stop()
	visited := l.RequireKept(t)
	c.requireSameInboxes(t, prefix)
	c.requireNoContradiction()
	o := l.Compare()
	assert.Zero(t, o.Lost, "lost")
	assert.Zero(t, o.Repeated, "repeated")
	assert.Zero(t, o.Reordered, "reordered")
	assert.Zero(t, o.Announced, "announced by reset")
	c.note("deferred notifications at most %.1f s late", visited.Latest.Seconds())
	return fmt.Sprintf("%s; %s | %d | %d | %d | %d | %d | %d | %.1f s | %.1f s | %s", loadText(), visited.String(), o.Acknowledged, o.Refused, o.Lost, o.Repeated,
		o.Reordered, o.Announced, o.Slowest.Seconds(), c.recovery.Seconds(), strings.Join(c.notes, "; "))
}
