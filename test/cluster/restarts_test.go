package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/traffic"
)

var orderSeed = flag.Uint64("order", 0, "seed of the first order in which everything is restarted; 0: a random one, which the log says")

// rounds is the number of times that everything is restarted, each in another order.
func rounds() int {
	if *full {
		return 4
	}
	return 1
}

// inRounds returns the number of rounds for the table.
func inRounds() string {
	if *full {
		return fmt.Sprintf(", %d times", rounds())
	}
	return ""
}

// restartAll restarts each node and each NATS server, in random order, as an operator does in a
// rolling update: the next one follows when everything is ready.
func (c *cluster) restartAll(t *testing.T, l *traffic.Load) {
	t.Helper()
	seed := *orderSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-order %d", seed)
	*orderSeed = 0 // the next order is another one
	var order []string
	random := rand.New(rand.NewPCG(seed, 0))
	for _, i := range random.Perm(len(c.nodes) + len(c.nats.Servers)) {
		if i < len(c.nodes) {
			order = append(order, c.nodes[i].name)
			c.nodes[i].stop(t)
			c.nodes[i].start(t)
		} else {
			s := c.nats.Servers[i-len(c.nodes)]
			order = append(order, s.Name)
			s.Stop(t)
			s.Start(t)
			c.nats.WaitForLeader(t)
		}
		c.waitReady()
		l.Grows(t)
	}
	t.Log("restarted: ", strings.Join(order, ", "))
}

// leaseHolder waits until a node does upkeep, and returns it.
func (c *cluster) leaseHolder(t *testing.T) (holder *process) {
	t.Helper()
	before := map[string]string{}
	require.Eventually(t, func() bool {
		for _, n := range c.nodes {
			runs := n.upkeep(t)
			if before[n.name] != "" && runs != "" && runs != before[n.name] {
				holder = n
				return true
			}
			before[n.name] = runs
		}
		return false
	}, timeout, 100*time.Millisecond, "no node does upkeep")
	return holder
}

// upkeep returns how often the node has looked for due notifications, empty if it does not answer.
func (n *process) upkeep(t *testing.T) string {
	t.Helper()
	if n.command == nil {
		return ""
	}
	status, text, err := get(t.Context(), "http://"+n.admin+"/metrics")
	if err != nil || status != http.StatusOK {
		return ""
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "bellhop_upkeep_runs_total") && strings.Contains(line, `task="release"`) && strings.Contains(line, `outcome="done"`) {
			return line
		}
	}
	return ""
}
