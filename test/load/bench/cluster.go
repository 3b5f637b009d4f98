//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/crowd"
	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// The sides of the cluster command: a service alone, and clusters of one to three nodes.
var clusterSides = []side{"alone", "1 node", "2 nodes", "3 nodes"}

// clusterLoads are the loads of the cluster command.
var clusterLoads = []load{
	{name: "stored, 2000/s", publishers: 16, perSecond: 2_000},
	{name: "stored, 64", publishers: 64},
	{name: "batch, 64", publishers: 64, batch: 100},
}

// clustered returns the scenarios of `cluster`.
func clustered() []scenario {
	return []scenario{{name: "cluster", alone: clusters}, {name: "catch-up", alone: catchingUp}}
}

// clusters measures each side in turn, in every round. All publishers use the first node, and
// all sockets the last one.
func clusters(ctx context.Context, b *bench) error {
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
func (b *bench) runCluster(ctx context.Context, which side, count int) (err error) {
	n := &nodes{bench: b}
	if count > 0 {
		if n, err = b.newNodes(); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, n.close()) }()
	for range max(count, 1) {
		if _, err := n.add(ctx); err != nil {
			return err
		}
	}
	s := &session{
		side: which, sizes: b.sizes, epoch: time.Now(), clients: b.sizes.clients, results: b.results,
		server: n.all[0], dialect: dialect.NewService(server.Secret, maxPublishers),
	}
	s.toUser = make([]uint32, s.clients)
	s.crowd, err = crowd.New(crowd.Options{
		Server: n.all[len(n.all)-1].Address, Size: s.clients, Loops: crowdLoops, Dialect: s.dialect, Epoch: s.epoch,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.crowd.Close()) }()
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	for _, l := range clusterLoads {
		if err := s.measureCluster(ctx, l, n); err != nil {
			return fmt.Errorf("publish %s: %w", l.name, err)
		}
	}
	return s.check(ctx)
}

// measureCluster measures one load, and the processor time of all processes.
func (s *session) measureCluster(ctx context.Context, l load, n *nodes) error {
	if _, err := s.publish(ctx, l, s.sizes.warmUp, 0); err != nil {
		return err
	}
	s.crowd.Latencies()
	before, err := n.cpu()
	if err != nil {
		return err
	}
	start := time.Now()
	result, err := s.publish(ctx, l, s.sizes.lasts, 0)
	took := time.Since(start)
	if err != nil {
		return err
	}
	after, err := n.cpu()
	if err != nil {
		return err
	}
	latencies := s.crowd.Latencies()
	published := result.Notifications
	s.record(l.name+" rate", float64(published)/took.Seconds())
	s.record(l.name+" p50", milliseconds(latencies.Quantile(0.5)))
	s.record(l.name+" p99", milliseconds(latencies.Quantile(0.99)))
	s.record(l.name+" answer p50", milliseconds(result.Answers.Quantile(0.5)))
	s.record(l.name+" cpu", perMillion(after.publisher-before.publisher, published))
	if n.nats != nil {
		s.record(l.name+" nats cpu", perMillion(after.nats-before.nats, published))
	}
	if len(n.all) > 2 { // the second node has neither publishers nor sockets
		s.record(l.name+" follower cpu", perMillion(after.follower-before.follower, published))
	}
	return nil
}

// clusterCPU is the processor time of the first node, of the second one, and of all NATS
// servers.
type clusterCPU struct{ publisher, follower, nats time.Duration }

func (n *nodes) cpu() (all clusterCPU, err error) {
	if all.publisher, err = n.all[0].CPU(); err != nil {
		return all, err
	}
	if len(n.all) > 1 {
		if all.follower, err = n.all[1].CPU(); err != nil {
			return all, err
		}
	}
	all.nats, err = n.natsCPU()
	return all, err
}

// clusterRows are the rows of each load. A limit of a load is for each number of nodes; "alone" is
// then what the floor is for other limits.
var clusterRows = []struct {
	what, figure string
	goals        map[string]target // by load; "": of all others
}{
	{"notifications/s", "rate", map[string]target{"batch, 64": atLeast(20_000)}},
	{"p50 to a socket, ms", "p50", map[string]target{"stored, 2000/s": atMost(8, "")}},
	{"p99 to a socket, ms", "p99", nil},
	{"p50 to the answer, ms", "answer p50", nil},
	{"CPU of the publishing node, µs", "cpu", map[string]target{"": ratioAtMost(1.3).of("alone")}},
	{"CPU of a node that only follows, µs", "follower cpu", map[string]target{"": atMost(15, "")}},
	{"CPU of the NATS servers, µs", "nats cpu", nil},
}

// clusterTables returns the results of the cluster command, as Markdown.
func clusterTables(r *results) string {
	tables := slices.DeleteFunc([]string{clusterTable(r), catchUpTable(r)}, func(t string) bool { return t == "" })
	return strings.Join(tables, "\n")
}

// clusterTable returns the results of the loads; empty if none was measured.
func clusterTable(r *results) string {
	var b strings.Builder
	if len(r.of(clusterLoads[0].name+" rate", clusterSides[0])) == 0 {
		return ""
	}
	b.WriteString("| load | measured | " + joinSides() + " | target | met |\n|---|---|" + strings.Repeat("---:|", len(clusterSides)) + "---|---|\n")
	for _, l := range clusterLoads {
		for _, row := range clusterRows {
			fmt.Fprintf(&b, "| %s | %s |", l.name, row.what)
			for _, which := range clusterSides {
				fmt.Fprintf(&b, " %s |", cell(r.of(l.name+" "+row.figure, which)))
			}
			goal, found := row.goals[l.name]
			if !found {
				if goal, found = row.goals[""]; !found {
					goal = noted()
				}
			}
			fmt.Fprintf(&b, " %s | %s |\n", goal.text, clusterVerdict(r, l.name+" "+row.figure, goal))
		}
	}
	return b.String()
}

// clusterVerdict returns whether every number of nodes meets a target, or "" if there is no limit.
func clusterVerdict(r *results, metric string, goal target) (all string) {
	alone := r.of(metric, clusterSides[0])
	for _, which := range clusterSides[1:] {
		figures := r.of(metric, which)
		one := goal.verdict(measured{floor: alone, service: figures, ratio: figures.Over(alone)})
		if one == "no" {
			return one
		}
		all = max(all, one)
	}
	return all
}

func joinSides() string {
	names := make([]string, len(clusterSides))
	for i, s := range clusterSides {
		names[i] = string(s)
	}
	return strings.Join(names, " | ")
}
