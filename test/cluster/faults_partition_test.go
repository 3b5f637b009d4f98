package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/network"
	"github.com/bellhop/bellhop/test/traffic"
)

// others returns the hosts of the NATS servers other than s.
func (c *cluster) others(s *natsserver.Server) (hosts []*network.Host) {
	for _, o := range c.nats.Servers {
		if o != s {
			hosts = append(hosts, c.hosts[o.Name])
		}
	}
	return hosts
}

// waitElsewhere waits until all nodes are ready and connected to other servers than s.
func (c *cluster) waitElsewhere(t *testing.T, s *natsserver.Server) {
	t.Helper()
	for _, n := range c.nodes {
		require.Eventually(t, func() bool {
			ready, _ := n.ready(t.Context())
			server := n.server(t.Context())
			return ready && server != "" && server != s.URL
		}, timeout, 100*time.Millisecond, "%s does not leave %s", n.name, s.Name)
	}
}

// server returns the URL of the NATS server that the node is connected to, empty if there is none.
func (n *process) server(ctx context.Context) string {
	s, err := n.status(ctx)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(s.Server, "/")
}

// partitionFaults are those of the network. Packets are lost without an error.
func partitionFaults() []fault {
	return []fault{
		{name: one() + " is cut off from the other two", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			c.each(t, l, 1, func(s *natsserver.Server) {
				c.hosts[s.Name].Cut(c.others(s)...)
				defer c.hosts[s.Name].Join(c.others(s)...) // also if the test fails here
				c.waitElsewhere(t, s)
				l.Grows(t)
			})
		}},
		{name: one() + " loses what it sends to the other two, and receives what they send", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			c.each(t, l, 1, func(s *natsserver.Server) {
				for _, o := range c.others(s) {
					c.hosts[s.Name].CutTo(o)
				}
				defer func() {
					for _, o := range c.others(s) {
						c.hosts[s.Name].JoinTo(o)
					}
				}()
				c.waitElsewhere(t, s)
				l.Grows(t)
			})
		}},
		{name: one() + " is cut off from everything", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			c.each(t, l, 1, func(s *natsserver.Server) {
				c.hosts[s.Name].Unplug()
				defer c.hosts[s.Name].Plug()
				c.waitElsewhere(t, s)
				l.Grows(t)
			})
		}},
		{outage: true, name: "two of three NATS servers are cut off from everything", strike: func(t *testing.T, c *cluster, _ *traffic.Load) {
			observed := c.observeAll(t)
			for _, s := range c.nats.Servers[:2] {
				c.hosts[s.Name].Unplug()
			}
			defer func() {
				for _, s := range c.nats.Servers[:2] {
					c.hosts[s.Name].Plug()
				}
			}()
			for _, o := range observed {
				o.requireUnready(t, c)
			}
			for _, o := range observed {
				if *full {
					o.requireClosed(t, c)
				}
			}
		}},
		{name: "a node is cut off from all NATS servers", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			n := c.nodes[0]
			o := n.observe(t)
			n.host.Cut(c.others(nil)...)
			defer n.host.Join(c.others(nil)...)
			o.requireUnready(t, c)
			o.requireClosed(t, c)
			l.Grows(t)
		}},
		{name: "a node reaches only a NATS server that is cut off from the other two", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			n := c.nodes[1]
			server := c.nats.Servers[2]
			n.host.Cut(c.others(server)...)
			defer n.host.Join(c.others(server)...)
			require.Eventually(t, func() bool {
				ready, _ := n.ready(t.Context())
				return ready && n.server(t.Context()) == server.URL
			}, timeout, 100*time.Millisecond)
			o := n.observe(t)
			c.hosts[server.Name].Cut(c.others(server)...)
			defer c.hosts[server.Name].Join(c.others(server)...)
			o.requireUnready(t, c)
			if *full {
				o.requireClosed(t, c)
			}
			l.Grows(t)
		}},
	}
}

// observeAll observes all nodes.
func (c *cluster) observeAll(t *testing.T) (all []*cutOff) {
	t.Helper()
	for _, n := range c.nodes {
		all = append(all, n.observe(t))
	}
	return all
}
