package cluster

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/traffic"
)

var update = flag.Bool("update", false, "write the table of faults into README.md")

// fault is something that fails while a cluster is under load. strike makes it fail, and
// returns when everything runs again.
type fault struct {
	name   string
	strike func(t *testing.T, c *cluster, l *traffic.Load)
}

// faults are in the order of the table.
func faults() []fault {
	return []fault{
		{"the NATS server that leads the stream is killed, and started again", func(t *testing.T, c *cluster, l *traffic.Load) {
			leader := c.leader()
			leader.Kill(t)
			l.Grows(t)
			leader.Start(t)
		}},
		{"the NATS server that leads the stream is paused for 12 s", func(t *testing.T, c *cluster, l *traffic.Load) {
			leader := c.leader()
			leader.Pause(t)
			<-time.After(12 * time.Second) // of the fault
			leader.Resume(t)
		}},
		{"two of three NATS servers are killed, and started again after 5 s", func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, s := range c.nats.Servers[:2] {
				s.Kill(t)
			}
			<-time.After(5 * time.Second) // of the fault
			for _, s := range c.nats.Servers[:2] {
				s.Start(t)
			}
		}},
		{"all NATS servers are killed, and started again", func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, s := range c.nats.Servers {
				s.Kill(t)
			}
			for _, s := range c.nats.Servers {
				s.Start(t)
			}
		}},
		{"a node is killed, and started again", func(t *testing.T, c *cluster, l *traffic.Load) {
			c.nodes[0].kill(t)
			l.Grows(t)
			c.nodes[0].start(t)
		}},
		{"a node is paused for 8 s", func(t *testing.T, c *cluster, _ *traffic.Load) {
			c.nodes[1].signal(t, syscall.SIGSTOP)
			<-time.After(8 * time.Second) // of the fault
			c.nodes[1].signal(t, syscall.SIGCONT)
		}},
		{"a node loses its data directory", func(t *testing.T, c *cluster, l *traffic.Load) {
			n := c.nodes[2]
			n.kill(t)
			require.NoError(t, os.RemoveAll(n.dir+"/data"))
			l.Grows(t)
			n.start(t)
		}},
		{"the nodes are restarted one after another", func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, n := range c.nodes {
				n.stop(t)
				n.start(t)
				c.waitReady()
			}
		}},
		{"the NATS servers are restarted one after another", func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, s := range c.nats.Servers {
				s.Stop(t)
				s.Start(t)
				c.nats.WaitForLeader(t)
				c.waitReady()
			}
		}},
		{"everything is killed, and started again", func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, n := range c.nodes {
				n.kill(t)
			}
			for _, s := range c.nats.Servers {
				s.Kill(t)
			}
			for _, n := range c.nodes { // before the servers: they wait for them
				n.start(t)
			}
			for _, s := range c.nats.Servers {
				s.Start(t)
			}
		}},
	}
}

// Whatever fails, no acknowledged notification is lost, none is published twice, and every
// listener receives all of its user's in order, without a reset. Everything recovers without
// intervention.
func TestFaultsLoseNothing(t *testing.T) {
	var table strings.Builder
	c := startCluster(t)
	for i, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			c.t = t
			l := c.startLoad(t, fmt.Sprint("fault", i))
			l.Grows(t)
			f.strike(t, c, l)
			recovery := c.waitReady()
			l.Grows(t)
			l.Stop()
			o := l.Compare()
			assert.Zero(t, o.Lost, "lost")
			assert.Zero(t, o.Repeated, "repeated")
			assert.Zero(t, o.Reordered, "reordered")
			assert.Zero(t, o.Announced, "announced by reset")
			fmt.Fprintf(&table, "| %s | %d | %d | %d | %d | %d | %d | %.1f s |\n",
				f.name, o.Acknowledged, o.Refused, o.Lost, o.Repeated, o.Reordered, o.Announced, recovery.Seconds())
		})
		c.t = t
	}
	text := fmt.Sprintf("| fault | acknowledged | attempts that failed | lost | repeated | reordered | announced by `reset` | ready again after |\n"+
		"|---|---:|---:|---:|---:|---:|---:|---:|\n%s\n`go test ./test/cluster -run TestFaultsLoseNothing -update`, %s, %s.\n",
		table.String(), time.Now().Format(time.DateOnly), traffic.Machine())
	t.Log("\n" + text)
	if *update && !t.Failed() {
		require.NoError(t, traffic.WriteTable("README.md", text))
	}
}
