//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/mark"
	"github.com/bellhop/bellhop/test/load/bench/publish"
)

// pace keeps a publisher of broadcasts below the service's limit of 100 per second.
// With thousands of clients a broadcast takes longer than this anyway.
const pace = 11 * time.Millisecond

// broadcasts measures one broadcast at a time, then four under way.
func broadcasts(ctx context.Context, s *session) error {
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.broadcast(ctx, "broadcast", 1); err != nil {
		return err
	}
	if err := s.broadcast(ctx, "four broadcasts", 4); err != nil {
		return err
	}
	if s.side == service { // the floor cannot replace or recall
		if err := s.changing(ctx); err != nil {
			return err
		}
	}
	return s.check(ctx)
}

// broadcast measures a number of concurrent publishers of broadcasts. Each publishes its
// next one when all clients have received its last one.
func (s *session) broadcast(ctx context.Context, name string, publishers int) error {
	return s.broadcastAs(ctx, name, publishers, dialect.Stored)
}

func (s *session) broadcastAs(ctx context.Context, name string, publishers int, kind dialect.Kind) error {
	s.crowd.Latencies()
	var sent int64
	var cpu, took time.Duration
	objects, err := s.allocations(ctx, func() (err error) {
		start := time.Now()
		cpu, err = s.cost(func() (err error) {
			sent, err = s.publishBroadcasts(ctx, publishers, kind)
			return err
		})
		took = time.Since(start)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	deliveries, latencies := sent*int64(s.clients), s.crowd.Latencies()
	s.record(name+" cpu", perMillion(cpu, deliveries))
	s.recordAllocations(name+" allocs", objects, deliveries)
	s.record(name+" rate", float64(deliveries)/took.Seconds())
	s.record(name+" p50", milliseconds(latencies.Quantile(0.5)))
	s.record(name+" p99", milliseconds(latencies.Quantile(0.99)))
	return nil
}

// publishBroadcasts runs the publishers, each in its own lane, and returns the total
// number of broadcasts.
func (s *session) publishBroadcasts(ctx context.Context, publishers int, kind dialect.Kind) (sent int64, err error) {
	before := s.inLane
	errs := make([]error, publishers)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() { errs[i] = s.publishBroadcastsInLane(ctx, i+1, kind) })
	}
	wg.Wait()
	for lane, n := range s.inLane {
		sent += int64(n - before[lane])
	}
	return sent, errors.Join(errs...)
}

func (s *session) publishBroadcastsInLane(ctx context.Context, lane int, kind dialect.Kind) (err error) {
	line, err := publish.Dial(s.server.Address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, line.Close()) }()

	for start := s.now(); s.now()-start < s.sizes.lasts; {
		next := time.After(pace)
		s.inLane[lane]++
		m := mark.Mark{Lane: uint16(lane), User: mark.Everyone, Sequence: s.inLane[lane], Sent: int64(s.now())}
		if err := line.Post(s.dialect.Publish(nil, lane, []mark.Mark{m}, kind)); err != nil {
			return err
		}
		if err := s.crowd.Await(ctx, lane, int64(s.inLane[lane])*int64(s.clients)); err != nil {
			return lost(err, s.crowd)
		}
		<-next
	}
	return nil
}
