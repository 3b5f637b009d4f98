//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scenario is a measurement on a newly started server.
type scenario struct {
	name    string
	clients func(sizes) int
	cursors bool // clients resume from their cursors
	rs256   bool // clients' tokens are signed with a private key
	run     func(context.Context, *session) error

	// alone, used instead of run, is called once and starts its servers itself.
	alone func(context.Context, *bench) error
}

func idlers(s sizes) int    { return s.idle }
func listeners(s sizes) int { return s.clients }

// everything returns the scenarios of `all`.
func everything() []scenario {
	return append(basics(),
		scenario{name: "growth", alone: growth},
		scenario{name: "inbox", alone: inboxes},
		scenario{name: "hostile", alone: hostility},
		scenario{name: "topics", alone: topics},
		scenario{name: "members", alone: members},
		scenario{name: "joined", alone: joined},
		scenario{name: "preferences", alone: preferences},
		scenario{name: "history", alone: histories},
	)
}

// basics returns the scenarios of `quick`, whose results are also useful with few
// connections.
func basics() []scenario {
	return []scenario{
		{name: "idle", clients: idlers, run: idle},
		{name: "rs256", clients: listeners, rs256: true, run: connectRS256},
		{name: "broadcast", clients: listeners, run: broadcasts},
		{name: "targeted", clients: listeners, run: loads(
			load{name: "stored, 64", publishers: 64},
			load{name: "stored, 16", publishers: 16},
			load{name: "ephemeral, 64", publishers: 64, ephemeral: true, serviceOnly: true},
			load{name: "batch, 64", publishers: 64, batch: 100, serviceOnly: true},
			load{name: "batch, 256", publishers: 256, batch: 100, serviceOnly: true},
			load{name: "stored, 2000/s", publishers: 16, perSecond: 2_000},
			load{name: "ephemeral, 2000/s", publishers: 16, perSecond: 2_000, ephemeral: true, serviceOnly: true},
		)},
		{name: "storm", clients: listeners, cursors: true, run: storm},
	}
}

// throughput returns the scenario of `report`: durable publishing as fast as possible.
func throughput() []scenario {
	return []scenario{
		{name: "throughput", clients: listeners, run: func(ctx context.Context, s *session) error {
			if err := idle(ctx, s); err != nil {
				return err
			}
			return s.loads(ctx,
				load{name: "stored, 64", publishers: 64},
				load{name: "stored, 256", publishers: 256},
				load{name: "batch, 64", publishers: 64, batch: 100, serviceOnly: true},
				load{name: "batch, 256", publishers: 256, batch: 100, serviceOnly: true},
			)
		}},
	}
}

// idle connects all clients and measures them while they do nothing.
func idle(ctx context.Context, s *session) error {
	empty, err := s.server.RSS()
	if err != nil {
		return err
	}
	var took time.Duration
	cpu, err := s.cost(func() (err error) {
		took, err = s.connect(ctx)
		return err
	})
	if err != nil {
		return err
	}
	resting, err := s.cost(func() error { return pause(ctx, s.sizes.settles) })
	if err != nil {
		return err
	}
	full, err := s.server.RSS()
	if err != nil {
		return err
	}
	n := float64(s.clients)
	s.record("idle rss", float64(full-empty)/n)
	s.record("idle cpu", milliseconds(resting)/s.sizes.settles.Seconds())
	s.record("connect cpu", perMillion(cpu, int64(s.clients)))
	s.record("connect rate", n/took.Seconds())
	s.record("start", milliseconds(s.server.StartTime()))
	return s.check(ctx)
}

// connectRS256 connects all clients. It also runs on the floor, which reads no token, so
// that every run of the service has one of the floor to compare with.
func connectRS256(ctx context.Context, s *session) error {
	cpu, err := s.cost(func() error {
		_, err := s.connect(ctx)
		return err
	})
	if err != nil {
		return err
	}
	s.record("connect rs256 cpu", perMillion(cpu, int64(s.clients)))
	return s.check(ctx)
}

// storm closes all connections at the same time and reconnects them, first without missed
// notifications and then with some.
func storm(ctx context.Context, s *session) error {
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.reconnect(ctx, "storm", 0); err != nil {
		return err
	}
	if s.side == service {
		if err := s.reconnect(ctx, "storm missed", s.sizes.missed); err != nil {
			return err
		}
	}
	return s.check(ctx)
}

// reconnect closes all connections, publishes a number of notifications to each client,
// and measures how long it takes until all are connected and have received them.
func (s *session) reconnect(ctx context.Context, name string, missed int) error {
	s.crowd.Drop()
	if missed > 0 {
		if err := s.publishMissed(ctx, missed); err != nil {
			return err
		}
	}
	start := time.Now()
	cpu, err := s.cost(func() error {
		if _, err := s.connect(ctx); err != nil {
			return err
		}
		return s.awaitAll(ctx)
	})
	if err != nil {
		return fmt.Errorf("reconnect with %d missed: %w", missed, err)
	}
	s.record(name+" seconds", time.Since(start).Seconds())
	s.record(name+" cpu", perMillion(cpu, int64(s.clients)))
	return nil
}

// choose returns the scenarios whose names, separated by commas, are in only. Of two with
// the same name it returns the first.
func choose(all []scenario, only string) ([]scenario, error) {
	var chosen []scenario
	for name := range strings.SplitSeq(only, ",") {
		found := false
		for _, sc := range all {
			if sc.name == name && !found {
				chosen, found = append(chosen, sc), true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown scenario %s", strconv.Quote(name))
		}
	}
	return chosen, nil
}
