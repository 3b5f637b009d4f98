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
	outage bool // nothing can be published meanwhile, since there is no majority of NATS servers or no node
}

// maxPause is the time within which the service recovers by itself after a fault, and the longest
// time that a fault may interrupt it, unless the fault is an outage. The full-size run asserts it.
const maxPause = 30 * time.Second

// pause is how long a NATS server is paused. After some four seconds the others elect a leader.
func pause() time.Duration { return duration(10*time.Second, 30*time.Second) }

// absence is how long there is no NATS server.
func absence() time.Duration { return duration(10*time.Second, 10*time.Minute) }

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

// one names the servers of each with a single one.
func one() string {
	if *full {
		return "each NATS server in turn"
	}
	return "the NATS server that leads the stream"
}

// some names the servers of each with two.
func some() string {
	if *full {
		return one()
	}
	return "the NATS server that leads the stream, and then another,"
}

// each calls strike with the NATS server that leads the stream, and with others up to a number of
// servers, or at full size with each. Before the next one, everything has recovered.
func (c *cluster) each(t *testing.T, l *traffic.Load, number int, strike func(*natsserver.Server)) {
	t.Helper()
	leader := c.leader()
	servers := []*natsserver.Server{leader}
	for _, s := range c.nats.Servers {
		if s != leader {
			servers = append(servers, s)
		}
	}
	if *full {
		number = len(servers)
	}
	for _, s := range servers[:number] {
		c.waitReplicas()
		strike(s)
		c.recovers(l)
	}
}

// recovers is called when a fault ends. It waits until all nodes are ready and notifications
// arrive, and notes when that was.
func (c *cluster) recovers(l *traffic.Load) {
	c.t.Helper()
	ended := time.Now()
	c.recovered()
	l.Grows(c.t)
	c.after = append(c.after, span{ended, time.Now()})
}

// span is the time from one moment to another.
type span struct{ from, to time.Time }

// In every fault of a process, the network, a disk or a file of NATS, each notification that was
// acknowledged reaches its listener exactly once and in order, without a reset, and is in the inbox
// on every node. Deferred notifications arrive once, expired ones are gone, tickets are accepted
// once, and marks and revocations hold on every node. No node has another state than the others. The
// service recovers without an operator: all nodes are ready, and notifications are published and
// arrive.
//
// Three faults need an operator all the same, for the server that has them; until then no other
// server may fail. One with a full disk gives up JetStream until there is space and it was started
// again. One with a damaged snapshot of the metadata does not start until its files are removed.
// One with a damaged block of the stream either repairs it from the others when it starts, or lacks
// messages until its files are removed; nodes read these from another server.
func TestFaultsLoseNothing(t *testing.T) {
	t.Parallel() // the other tests of the package run beside it, which mostly waits
	kinds := []struct {
		name   string
		faults []fault
	}{{"processes", processFaults()}, {"network", networkFaults()}, {"files", append(diskFaults(), bitFaults()...)}}
	tables := make([]strings.Builder, len(kinds))
	t.Run("kinds", func(t *testing.T) {
		for i, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				if !*full { // whose times are shown
					t.Parallel()
				}
				c := startCluster(t)
				for k, f := range kind.faults {
					t.Run(f.name, func(t *testing.T) {
						fmt.Fprintf(&tables[i], "| %s | %s |\n", f.name, c.run(t, f, fmt.Sprint("fault", k)))
					})
				}
				c.agree()
			})
		}
	})
	var table string
	for i := range tables {
		table += tables[i].String()
	}
	size := ""
	if *full {
		size = " -full"
	}
	text := fmt.Sprintf("| fault | load, and what else was acknowledged | acknowledged | attempts that failed | lost | repeated | reordered | announced by `reset` | "+
		"slowest answer | longest pause of publishing | of delivery | recovery | remarks |\n"+
		"|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n%s\n"+
		"`go test ./test/cluster -run TestFaultsLoseNothing -timeout 90m%s -update`, %s, %s, %s.\n",
		table, size, time.Now().Format(time.DateOnly), traffic.Commit(), traffic.Machine())
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
	c.t, c.recovery, c.notes, c.after = t, 0, nil, nil
	defer func() { c.t = before }()
	l := c.startLoad(t, prefix)
	l.Grows(t)
	begun := time.Now()
	f.strike(t, c, l)
	c.recovers(l)
	l.Stop()
	visited := l.RequireKept(t)
	c.requireSameInboxes(t, prefix)
	c.requireNoContradiction()
	o := l.Compare()
	assert.Zero(t, o.Lost, "lost")
	assert.Zero(t, o.Repeated, "repeated")
	assert.Zero(t, o.Reordered, "reordered")
	assert.Zero(t, o.Announced, "announced by reset")
	pauses, recovery := l.PausesBetween(begun, c.after[len(c.after)-1].to), c.recovery
	for _, s := range c.after {
		recovery = max(recovery, l.PausesBetween(s.from, s.to).Longest())
	}
	if *full {
		assert.LessOrEqual(t, recovery, maxPause, "until the service has recovered")
		assert.True(t, f.outage || pauses.Longest() <= maxPause, "the service paused for %+v", pauses)
	}
	c.note("deferred notifications at most %.1f s late", visited.Latest.Seconds())
	return fmt.Sprintf("%s; %s | %d | %d | %d | %d | %d | %d | %.1f s | %.1f s | %.1f s | %.1f s | %s", loadText(), visited.String(), o.Acknowledged, o.Refused, o.Lost, o.Repeated,
		o.Reordered, o.Announced, o.Slowest.Seconds(), pauses.Acknowledged.Seconds(), pauses.Delivered.Seconds(), recovery.Seconds(), strings.Join(c.notes, "; "))
}
