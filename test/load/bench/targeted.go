//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/mark"
	"github.com/bellhop/bellhop/test/load/bench/publish"
)

// maxPublishers is the largest number of publishers of any load.
const maxPublishers = 256

// load is one way to publish to single users.
type load struct {
	name        string
	publishers  int
	batch       int     // notifications in a request; 0 and 1 mean no batch
	perSecond   float64 // requests; 0 means as fast as possible
	ephemeral   bool
	serviceOnly bool // not measured on the floor, which has only one kind of publish
}

// loads returns a scenario that connects all clients and runs the given loads one after
// the other.
func loads(all ...load) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		if _, err := s.connect(ctx); err != nil {
			return err
		}
		return s.loads(ctx, all...)
	}
}

func (s *session) loads(ctx context.Context, all ...load) error {
	for _, l := range all {
		if l.serviceOnly && s.side == floor {
			continue
		}
		if err := s.measure(ctx, l); err != nil {
			return fmt.Errorf("publish %s: %w", l.name, err)
		}
	}
	return s.check(ctx)
}

// measure publishes as described by l, first unmeasured to warm up and then measured, and
// returns when everything has arrived.
func (s *session) measure(ctx context.Context, l load) error {
	if _, err := s.publish(ctx, l, s.sizes.warmUp, 0); err != nil {
		return err
	}
	s.crowd.Latencies()

	var result publish.Result
	var cpu, took time.Duration
	objects, err := s.allocations(ctx, func() (err error) {
		start := time.Now()
		cpu, err = s.cost(func() (err error) {
			result, err = s.publish(ctx, l, s.sizes.lasts, 0)
			return err
		})
		took = time.Since(start)
		return err
	})
	if err != nil {
		return err
	}
	latencies := s.crowd.Latencies()
	s.record(l.name+" cpu", perMillion(cpu, result.Notifications))
	s.recordAllocations(l.name+" allocs", objects, result.Notifications)
	s.record(l.name+" rate", float64(result.Notifications)/took.Seconds())
	s.record(l.name+" answer p50", milliseconds(result.Answers.Quantile(0.5)))
	s.record(l.name+" p50", milliseconds(latencies.Quantile(0.5)))
	s.record(l.name+" p99", milliseconds(latencies.Quantile(0.99)))
	s.record(l.name+" p99.9", milliseconds(latencies.Quantile(0.999)))
	return nil
}

// publish publishes as described by l, for a time or until a number of requests, and waits
// until everything has arrived.
func (s *session) publish(ctx context.Context, l load, lasts time.Duration, most int) (publish.Result, error) {
	result, err := s.flood(ctx, l, lasts, most)
	if err != nil {
		return result, err
	}
	return result, s.awaitAll(ctx)
}

// flood publishes and waits only for the responses.
func (s *session) flood(ctx context.Context, l load, lasts time.Duration, most int) (publish.Result, error) {
	return publish.Run(ctx, publish.Options{
		Server:     s.server.Address,
		Publishers: min(l.publishers, s.clients),
		Source:     s.source(l),
		Epoch:      s.epoch,
		For:        lasts,
		Most:       most,
		PerSecond:  l.perSecond,
	})
}

// source returns the source of requests of l. The users are divided among the publishers,
// so that all notifications of a user come from one publisher, in its order.
func (s *session) source(l load) publish.Source {
	publishers := min(l.publishers, s.clients)
	kind := dialect.Stored
	if l.ephemeral {
		kind = dialect.Ephemeral
	}
	next := make([]int, publishers)
	for i := range next {
		next[i] = i
	}
	marks := make([]mark.Mark, max(l.batch, 1))
	return func(dst []byte, publisher int, at time.Duration) ([]byte, int) {
		for i := range marks {
			user := next[publisher]
			if next[publisher] += publishers; next[publisher] >= s.clients {
				next[publisher] = publisher
			}
			s.toUser[user]++
			s.inLane[0]++
			marks[i] = mark.Mark{User: uint32(user), Sequence: s.toUser[user], Sent: int64(at)}
		}
		return s.dialect.Publish(dst, publisher, marks, kind), len(marks)
	}
}

// publishMissed publishes a number of notifications to every client. It does not wait
// until they arrive, because the clients are not connected.
func (s *session) publishMissed(ctx context.Context, each int) error {
	const inOne = 100
	l := load{publishers: 1, batch: inOne}
	requests := (each*s.clients + inOne - 1) / inOne
	_, err := s.flood(ctx, l, time.Minute, requests)
	return err
}
