//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/crowd"
	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/natsserver"
)

// The sides of the cluster command: a service alone, and clusters of one to three nodes.
var clusterSides = []side{"alone", "1 node", "2 nodes", "3 nodes"}

// clusterLoads are the loads of the cluster command.
var clusterLoads = []load{
	{name: "stored, 2000/s", publishers: 16, perSecond: 2_000},
	{name: "stored, 64", publishers: 64},
	{name: "batch, 64", publishers: 64, batch: 100},
}

// clustered returns the scenario of `cluster`.
func clustered() []scenario { return []scenario{{name: "cluster", alone: clusters}} }

// clusters measures each side in turn, in every round. All publishers use the first node, and
// all sockets the last one.
func clusters(ctx context.Context, b *bench) error {
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return err
	}
	if err := os.Setenv("TMPDIR", dir); err != nil { // the NATS servers use the same disk
		return err
	}
	for round := range b.sizes.rounds {
		for nodes, which := range clusterSides {
			what := fmt.Sprintf("%-10s round %d", which, round+1)
			if err := b.timed(what, func() error { return b.runCluster(ctx, which, nodes) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// runCluster measures a cluster with a number of nodes; 0 is a service alone.
func (b *bench) runCluster(ctx context.Context, which side, nodes int) (err error) {
	var settings []string
	var nats []int // processes
	if nodes > 0 {
		owner := &natsserver.Program{}
		defer owner.End()
		servers := natsserver.Start(owner, natsserver.Options{Servers: 3})
		for _, s := range servers.Servers {
			nats = append(nats, s.PID())
		}
		settings = append(settings, "BELLHOP_NATS_URL="+servers.URL)
	}
	var all []*server.Server
	var dirs []string
	defer func() {
		for i, dir := range dirs {
			if i < len(all) {
				err = errors.Join(err, all[i].Stop())
			}
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	for i := range max(nodes, 1) {
		dir, failed := b.makeDir("cluster")
		if failed != nil {
			return failed
		}
		dirs = append(dirs, dir)
		one, failed := server.StartService(ctx, b.programs[service], dir, append(settings, fmt.Sprintf("BELLHOP_NODE=node-%d", i+1))...)
		if failed != nil {
			return failed
		}
		all = append(all, one)
	}
	s := &session{
		side: which, sizes: b.sizes, epoch: time.Now(), clients: b.sizes.clients, results: b.results,
		server: all[0], dialect: dialect.NewService(server.Secret, maxPublishers),
	}
	s.toUser = make([]uint32, s.clients)
	s.crowd, err = crowd.New(crowd.Options{
		Server: all[len(all)-1].Address, Size: s.clients, Loops: crowdLoops, Dialect: s.dialect, Epoch: s.epoch,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.crowd.Close()) }()
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	for _, l := range clusterLoads {
		if err := s.measureCluster(ctx, l, all, nats); err != nil {
			return fmt.Errorf("publish %s: %w", l.name, err)
		}
	}
	return s.check(ctx)
}

// measureCluster measures one load, and the processor time of all processes.
func (s *session) measureCluster(ctx context.Context, l load, nodes []*server.Server, nats []int) error {
	if _, err := s.publish(ctx, l, s.sizes.warmUp, 0); err != nil {
		return err
	}
	s.crowd.Latencies()
	before, err := cpuOf(nodes, nats)
	if err != nil {
		return err
	}
	start := time.Now()
	result, err := s.publish(ctx, l, s.sizes.lasts, 0)
	took := time.Since(start)
	if err != nil {
		return err
	}
	after, err := cpuOf(nodes, nats)
	if err != nil {
		return err
	}
	latencies := s.crowd.Latencies()
	n := result.Notifications
	s.record(l.name+" rate", float64(n)/took.Seconds())
	s.record(l.name+" p50", milliseconds(latencies.Quantile(0.5)))
	s.record(l.name+" p99", milliseconds(latencies.Quantile(0.99)))
	s.record(l.name+" answer p50", milliseconds(result.Answers.Quantile(0.5)))
	s.record(l.name+" cpu", perMillion(after.publisher-before.publisher, n))
	if len(nats) > 0 {
		s.record(l.name+" nats cpu", perMillion(after.nats-before.nats, n))
	}
	if len(nodes) > 2 { // the second node has neither publishers nor sockets
		s.record(l.name+" follower cpu", perMillion(after.follower-before.follower, n))
	}
	return nil
}

// clusterCPU is the processor time of the first node, of the second one, and of all NATS
// servers.
type clusterCPU struct{ publisher, follower, nats time.Duration }

func cpuOf(nodes []*server.Server, nats []int) (all clusterCPU, err error) {
	if all.publisher, err = nodes[0].CPU(); err != nil {
		return all, err
	}
	if len(nodes) > 1 {
		if all.follower, err = nodes[1].CPU(); err != nil {
			return all, err
		}
	}
	for _, pid := range nats {
		one, err := server.CPUOf(pid)
		if err != nil {
			return all, err
		}
		all.nats += one
	}
	return all, nil
}

// clusterTable returns the results of the cluster command, as Markdown.
func clusterTable(r *results) string {
	var b strings.Builder
	b.WriteString("| load | measured | " + joinSides() + " |\n|---|---|" + strings.Repeat("---:|", len(clusterSides)) + "\n")
	for _, l := range clusterLoads {
		for _, row := range []struct{ what, figure string }{
			{"notifications/s", "rate"},
			{"p50 to a socket, ms", "p50"},
			{"p99 to a socket, ms", "p99"},
			{"p50 to the answer, ms", "answer p50"},
			{"CPU of the publishing node, µs", "cpu"},
			{"CPU of a node that only follows, µs", "follower cpu"},
			{"CPU of the NATS servers, µs", "nats cpu"},
		} {
			fmt.Fprintf(&b, "| %s | %s |", l.name, row.what)
			for _, which := range clusterSides {
				fmt.Fprintf(&b, " %s |", cell(r.of(l.name+" "+row.figure, which)))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func joinSides() string {
	names := make([]string, len(clusterSides))
	for i, s := range clusterSides {
		names[i] = string(s)
	}
	return strings.Join(names, " | ")
}
