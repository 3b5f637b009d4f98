//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/natsserver"
)

// nodes are services that form a cluster on three NATS servers, or one service alone.
type nodes struct {
	bench  *bench
	owner  *natsserver.Program
	nats   *natsserver.Cluster // nil: a service alone
	all    []*server.Server
	dirs   []string // of all, in the same order
	joined int      // number of nodes that were started so far; each has a name of its own
}

// newNodes starts NATS servers, which use the disk of the services. The caller must close the
// nodes.
func (b *bench) newNodes() (*nodes, error) {
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return nil, err
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return nil, err
	}
	n := &nodes{bench: b, owner: &natsserver.Program{}}
	n.nats = natsserver.Start(n.owner, natsserver.Options{Servers: 3})
	return n, nil
}

// add starts a node with an empty store, and returns when it is ready.
func (n *nodes) add(ctx context.Context) (*server.Server, error) {
	dir, err := n.bench.makeDir("node")
	if err != nil {
		return nil, err
	}
	n.joined++
	var settings []string
	if n.nats != nil {
		settings = []string{"BELLHOP_NATS_URL=" + n.nats.URL, fmt.Sprintf("BELLHOP_NODE=node-%d", n.joined)}
	}
	one, err := server.StartService(ctx, n.bench.programs[service], dir, settings...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	n.all, n.dirs = append(n.all, one), append(n.dirs, dir)
	return one, nil
}

// remove stops the node that was added last, and removes its store.
func (n *nodes) remove() error {
	last := len(n.all) - 1
	err := errors.Join(n.all[last].Stop(), os.RemoveAll(n.dirs[last]))
	n.all, n.dirs = n.all[:last], n.dirs[:last]
	return err
}

// close stops all nodes and servers.
func (n *nodes) close() (err error) {
	for len(n.all) > 0 {
		err = errors.Join(err, n.remove())
	}
	if n.owner != nil {
		n.owner.End()
	}
	return err
}

// natsCPU returns the processor time of all NATS servers.
func (n *nodes) natsCPU() (sum time.Duration, err error) {
	if n.nats == nil {
		return 0, nil
	}
	for _, s := range n.nats.Servers {
		one, err := server.CPUOf(s.PID())
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}
