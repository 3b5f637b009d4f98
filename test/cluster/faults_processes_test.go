package cluster

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/slow"
	"github.com/bellhop/bellhop/test/traffic"
)

// processFaults are those of processes that are killed, paused, restarted or missing.
func processFaults() []fault {
	return []fault{
		{name: some() + " is killed, and started again", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			c.each(t, l, 2, func(s *natsserver.Server) {
				s.Kill(t)
				l.Grows(t)
				s.Start(t)
			})
		}},
		{name: some() + " is paused for " + inWords(pause()), strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			c.each(t, l, 2, func(s *natsserver.Server) {
				s.Pause(t)
				<-time.After(pause()) // of the fault
				s.Resume(t)
			})
		}},
		{outage: true, name: "two of three NATS servers are killed, and started again after 5 s", strike: func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, s := range c.nats.Servers[:2] {
				s.Kill(t)
			}
			<-time.After(5 * time.Second) // of the fault
			for _, s := range c.nats.Servers[:2] {
				s.Start(t)
			}
		}},
		{outage: true, name: "all NATS servers are killed, and started again", strike: func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, s := range c.nats.Servers {
				s.Kill(t)
			}
			for _, s := range c.nats.Servers {
				s.Start(t)
			}
		}},
		{name: "the node that holds the lease for upkeep is killed while deferred notifications are due, and started again", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			n := c.leaseHolder(t)
			n.kill(t)
			l.Released(t)
			require.NotSame(t, n, c.leaseHolder(t))
			n.start(t)
		}},
		{name: "the node that holds the lease for upkeep is paused for 8 s while deferred notifications are due", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			n := c.leaseHolder(t)
			require.NoError(t, slow.Pause(n.command.Process))
			paused := time.After(8 * time.Second) // of the fault
			l.Released(t)
			<-paused
			require.NoError(t, slow.Resume(n.command.Process))
		}},
		{name: "a node loses its data directory", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			n := c.nodes[2]
			n.kill(t)
			require.NoError(t, os.RemoveAll(n.dir+"/data"))
			l.Grows(t)
			n.start(t)
		}},
		{name: "the nodes and the NATS servers are restarted one after another, in random order" + inRounds(), strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			for range rounds() {
				c.restartAll(t, l)
			}
		}},
		{outage: true, name: "the nodes start without NATS, which is started " + inWords(absence()) + " later", strike: func(t *testing.T, c *cluster, _ *traffic.Load) {
			for _, n := range c.nodes {
				n.kill(t)
			}
			for _, s := range c.nats.Servers {
				s.Kill(t)
			}
			for _, n := range c.nodes {
				n.start(t)
				n.waitUnready(t)
			}
			<-time.After(absence()) // of the fault
			for _, n := range c.nodes {
				n.requireAlive(t)
			}
			for _, s := range c.nats.Servers {
				s.Start(t)
			}
		}},
		{outage: true, name: "everything is killed, and started again", strike: func(t *testing.T, c *cluster, _ *traffic.Load) {
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
