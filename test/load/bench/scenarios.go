//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scenario is what is done to one freshly started server, and measured.
type scenario struct {
	name    string
	clients func(sizes) int
	cursors bool // clients resume from theirs
	rs256   bool // clients' tokens are signed with a private key
	run     func(context.Context, *session) error

	// alone, in place of run, is run once and starts its servers itself.
	alone func(context.Context, *bench) error
}

func idlers(s sizes) int    { return s.idle }
func listeners(s sizes) int { return s.clients }

// everything is what `all` measures.
func everything() []scenario {
	return append(basics(),
		scenario{name: "growth", alone: growth},
		scenario{name: "inbox", alone: inboxes},
		scenario{name: "hostile", alone: hostility},
		scenario{name: "topics", alone: topics},
		scenario{name: "history", alone: histories},
	)
}

// basics is what `quick` measures: what says something with few connections too.
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

// throughput is what `report` measures: durable publishing as fast as one
// process can.
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

// idle connects everybody and lets them be.
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

// connectRS256 connects everybody. The floor, which reads no token, does it too,
// for there to be a run next to each of the service's.
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

// storm drops everybody at once and has them come back, first with nothing
// missed and then with something.
func storm(ctx context.Context, s *session) error {
	if _, err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.comeBack(ctx, "storm", 0); err != nil {
		return err
	}
	if s.side == service {
		if err := s.comeBack(ctx, "storm missed", s.sizes.missed); err != nil {
			return err
		}
	}
	return s.check(ctx)
}

// comeBack drops everybody, publishes what they miss, and measures how long it
// takes until all are back and have been told.
func (s *session) comeBack(ctx context.Context, name string, missed int) error {
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
		return s.allTold(ctx)
	})
	if err != nil {
		return fmt.Errorf("come back with %d missed: %w", missed, err)
	}
	s.record(name+" seconds", time.Since(start).Seconds())
	s.record(name+" cpu", perMillion(cpu, int64(s.clients)))
	return nil
}

// choose returns those of all scenarios that only names, separated by commas.
// Of two with one name it is the first.
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
			return nil, fmt.Errorf("there is no scenario %s", strconv.Quote(name))
		}
	}
	return chosen, nil
}
