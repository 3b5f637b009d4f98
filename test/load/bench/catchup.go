//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// Where a new node gets the entries from that it lacks.
const (
	fromStream     side = "from the stream"
	fromCheckpoint side = "from a checkpoint"
)

// mostEntries leaves some of the million entries after which a node writes a checkpoint by itself:
// nodes append a few, too.
const mostEntries = 999_000

// catchingUp publishes a number of notifications through the only node of a cluster, and measures
// how long a second one, whose store is empty, takes to have them all: first from the stream, and
// then, when there is a checkpoint with them, from that.
func catchingUp(ctx context.Context, b *bench) (err error) {
	switch {
	case b.sizes.entries == 0:
		return nil
	case b.sizes.entries > mostEntries:
		return fmt.Errorf("%d entries: after a million, a node writes a checkpoint by itself; choose at most %d", b.sizes.entries, mostEntries)
	}
	n, err := b.newNodes()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	first, err := n.add(ctx)
	if err != nil {
		return err
	}
	k := &stock{bench: b, name: "catch-up", users: b.sizes.fewUsers, server: first, dialect: dialect.NewService(server.Secret, maxPublishers)}
	if err := k.fill(ctx, b.sizes.entries, scattered); err != nil {
		return err
	}
	b.results.add("catch-up entries", service, float64(k.stored))
	for _, from := range []side{fromStream, fromCheckpoint} {
		if from == fromCheckpoint {
			if err := n.causeCheckpoint(ctx); err != nil {
				return err
			}
		}
		for range b.sizes.rounds {
			if err := k.rest(ctx); err != nil {
				return err
			}
			if err := n.catchUp(ctx, from, k.stored); err != nil {
				return err
			}
		}
	}
	return nil
}

// catchUp starts a node with an empty store, and waits until it has all entries of the first one.
func (n *nodes) catchUp(ctx context.Context, from side, entries int) error {
	last, err := n.all[0].Metric(ctx, server.Sequence)
	if err != nil {
		return err
	}
	natsBefore, err := n.natsCPU()
	if err != nil {
		return err
	}
	begin := time.Now()
	one, err := n.add(ctx)
	if err != nil {
		return err
	}
	for {
		has, err := one.Metric(ctx, server.Sequence)
		if err != nil {
			return err
		}
		if has >= last {
			break
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	took := time.Since(begin)
	cpu, err1 := one.CPU()
	natsAfter, err2 := n.natsCPU()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	n.bench.results.add("catch-up time", from, took.Seconds())
	n.bench.results.add("catch-up cpu", from, perMillion(cpu, int64(entries)))
	n.bench.results.add("catch-up nats cpu", from, perMillion(natsAfter-natsBefore, int64(entries)))
	n.bench.say("           %s: %.2f s", from, took.Seconds())
	return n.remove()
}

// A stream must be allowed at least this many bytes, and a checkpoint is due when it has half of
// them.
const minStreamBytes = 64 << 20

// checkpointWait is longer than a node needs to notice that a checkpoint is due, and to write it.
const checkpointWait = 2 * time.Minute

// causeCheckpoint limits the size of the stream, so that the node writes a checkpoint, and waits
// for that.
func (n *nodes) causeCheckpoint(ctx context.Context) error {
	before, err := n.all[0].Metric(ctx, server.LastCheckpoint)
	if err != nil {
		return err
	}
	js, err := jetstream.New(n.nats.Connect(n.owner))
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, "BELLHOP")
	if err != nil {
		return fmt.Errorf("find the stream: %w", err)
	}
	found := stream.CachedInfo()
	found.Config.MaxBytes = max(minStreamBytes, int64(found.State.Bytes)*3/2)
	if int64(found.State.Bytes) <= found.Config.MaxBytes/2 {
		return fmt.Errorf("the entries take %d bytes, and more than %d are needed to cause a checkpoint: choose more -entries", found.State.Bytes, minStreamBytes/2)
	}
	if _, err := js.UpdateStream(ctx, found.Config); err != nil {
		return fmt.Errorf("limit the stream: %w", err)
	}
	for end := time.Now().Add(checkpointWait); time.Now().Before(end); {
		now, err := n.all[0].Metric(ctx, server.LastCheckpoint)
		if err != nil || now > before {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("no checkpoint within %v", checkpointWait)
}

// catchUpTable returns the times that a new node needs, as Markdown; empty if they were not
// measured.
func catchUpTable(r *results) string {
	entries := r.of("catch-up entries", service)
	if len(entries) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| a new node has all %s notifications | %s | %s |\n|---|---:|---:|\n", figure(entries.Median()), fromStream, fromCheckpoint)
	for _, row := range []struct{ what, metric string }{
		{"after, s", "catch-up time"},
		{"CPU of the new node for each, µs", "catch-up cpu"},
		{"CPU of the NATS servers for each, µs", "catch-up nats cpu"},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.what, cell(r.of(row.metric, fromStream)), cell(r.of(row.metric, fromCheckpoint)))
	}
	return b.String()
}
