package journal_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
)

var faults = flag.Int("faults", 5, "number of faults in TestRandomFaults; 60 take four minutes")

// randomly is a cluster of three servers and three nodes to which faults happen.
type randomly struct {
	t       *testing.T
	rng     *rand.Rand
	servers *natsserver.Cluster
	load    *outcomes

	mu     sync.Mutex
	nodes  []*member
	starts int
}

// node returns the node that runs in a slot now, and how many were started before.
func (r *randomly) node(slot int) (*member, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[slot], r.starts
}

// last lets the fault last until publishers have had some more outcomes. Without a leader, each
// of them waits for its deadline.
func (r *randomly) last() { r.load.after(r.t, r.rng.IntN(100)) }

// fault has a fault happen, and ends it.
func (r *randomly) fault() {
	s := r.servers.Servers[r.rng.IntN(len(r.servers.Servers))]
	switch r.rng.IntN(4) {
	case 0:
		r.t.Logf("%s is killed", s.Name)
		s.Kill(r.t)
		r.last()
		s.Start(r.t)
	case 1:
		r.t.Logf("%s is paused", s.Name)
		s.Pause(r.t)
		r.last()
		s.Resume(r.t)
	case 2:
		slot := r.rng.IntN(len(r.nodes))
		m, _ := r.node(slot)
		r.t.Logf("node %s loses power", m.name)
		again := rejoin(r.t, r.servers, m.name, m.crash(r.t))
		r.mu.Lock()
		r.nodes[slot] = again
		r.starts++
		r.mu.Unlock()
	case 3:
		r.t.Log("all servers are killed")
		for _, s := range r.servers.Servers {
			s.Kill(r.t)
		}
		for _, s := range r.servers.Servers {
			s.Start(r.t)
		}
	}
}

// Servers and nodes are killed, paused and started again in a random order, under load. Each
// acknowledged entry is applied once, an entry that was answered with ErrUnavailable never, all
// nodes apply the same entries in the same order, and the cluster acknowledges entries again after
// each fault, without an operator.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	r := &randomly{t: t, rng: rand.New(rand.NewPCG(seed, 0)), servers: servers, load: &outcomes{}}
	for _, name := range []string{"a", "b", "c"} {
		r.nodes = append(r.nodes, join(t, servers, name))
	}
	caughtUp(t, r.nodes...)
	ctx, cancel := context.WithCancel(t.Context())
	o := r.load
	var publishers sync.WaitGroup
	for slot := range r.nodes {
		for p := range 4 {
			publishers.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					m, starts := r.node(slot)
					id := fmt.Sprintf("%s-%d-%d-%d", m.name, p, starts, i)
					one := publish(id)
					one.Keep = 1 << 30
					o.note(t, id, m.Append(t.Context(), one)[0])
				}
			})
		}
	}
	for range *faults {
		o.acknowledges(t, 100) // the cluster has recovered by itself
		r.fault()
	}
	o.acknowledges(t, 100)
	cancel()
	publishers.Wait()
	caughtUp(t, r.nodes...)
	for _, m := range r.nodes {
		o.check(t, m)
		require.NoError(t, m.Status().Stopped)
		assert.Equal(t, r.nodes[0].ids(t), m.ids(t))
	}
}
