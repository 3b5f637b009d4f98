package cluster

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of faults into README.md")

// fault is something that fails while a cluster is under load. strike makes it fail, and
// returns when everything runs again.
type fault struct {
	name   string
	strike func(t *testing.T, c *cluster, l *load)
}

// faults are in the order of the table.
func faults() []fault {
	return []fault{
		{"the NATS server that leads the stream is killed, and started again", func(t *testing.T, c *cluster, l *load) {
			leader := c.leader()
			leader.Kill(t)
			l.grows(t)
			leader.Start(t)
		}},
		{"the NATS server that leads the stream is paused for 12 s", func(t *testing.T, c *cluster, l *load) {
			leader := c.leader()
			leader.Pause(t)
			<-time.After(12 * time.Second) // of the fault
			leader.Resume(t)
		}},
		{"two of three NATS servers are killed, and started again after 5 s", func(t *testing.T, c *cluster, _ *load) {
			for _, s := range c.nats.Servers[:2] {
				s.Kill(t)
			}
			<-time.After(5 * time.Second) // of the fault
			for _, s := range c.nats.Servers[:2] {
				s.Start(t)
			}
		}},
		{"all NATS servers are killed, and started again", func(t *testing.T, c *cluster, _ *load) {
			for _, s := range c.nats.Servers {
				s.Kill(t)
			}
			for _, s := range c.nats.Servers {
				s.Start(t)
			}
		}},
		{"a node is killed, and started again", func(t *testing.T, c *cluster, l *load) {
			c.nodes[0].kill(t)
			l.grows(t)
			c.nodes[0].start(t)
		}},
		{"a node is paused for 8 s", func(t *testing.T, c *cluster, _ *load) {
			c.nodes[1].signal(t, syscall.SIGSTOP)
			<-time.After(8 * time.Second) // of the fault
			c.nodes[1].signal(t, syscall.SIGCONT)
		}},
		{"a node loses its data directory", func(t *testing.T, c *cluster, l *load) {
			n := c.nodes[2]
			n.kill(t)
			require.NoError(t, os.RemoveAll(n.dir+"/data"))
			l.grows(t)
			n.start(t)
		}},
		{"the nodes are restarted one after another", func(t *testing.T, c *cluster, _ *load) {
			for _, n := range c.nodes {
				n.stop(t)
				n.start(t)
				c.waitReady()
			}
		}},
		{"the NATS servers are restarted one after another", func(t *testing.T, c *cluster, _ *load) {
			for _, s := range c.nats.Servers {
				s.Stop(t)
				s.Start(t)
				c.nats.WaitForLeader(t)
				c.waitReady()
			}
		}},
		{"everything is killed, and started again", func(t *testing.T, c *cluster, _ *load) {
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
			l := c.startLoad(fmt.Sprint("fault", i))
			l.grows(t)
			f.strike(t, c, l)
			recovery := c.waitReady()
			l.grows(t)
			l.stop()
			o := l.compare()
			assert.Zero(t, o.lost, "lost")
			assert.Zero(t, o.repeated, "repeated")
			assert.Zero(t, o.reordered, "reordered")
			assert.Zero(t, o.announced, "announced by reset")
			fmt.Fprintf(&table, "| %s | %d | %d | %d | %d | %d | %d | %.1f s |\n",
				f.name, o.acknowledged, o.refused, o.lost, o.repeated, o.reordered, o.announced, recovery.Seconds())
		})
		c.t = t
	}
	text := fmt.Sprintf("| fault | acknowledged | attempts that failed | lost | repeated | reordered | announced by `reset` | ready again after |\n"+
		"|---|---:|---:|---:|---:|---:|---:|---:|\n%s\n`go test ./test/cluster -run TestFaultsLoseNothing -update`, %s, %d cores, %s.\n",
		table.String(), time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	t.Log("\n" + text)
	if *update && !t.Failed() {
		require.NoError(t, writeTable("README.md", text))
	}
}

// writeTable replaces the text between the markers of the file.
func writeTable(file, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const begin, end = "<!-- faults -->\n", "<!-- end of faults -->"
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no markers for the table", file)
	}
	return os.WriteFile(file, []byte(head+begin+"\n"+text+"\n"+end+tail), 0o644)
}
