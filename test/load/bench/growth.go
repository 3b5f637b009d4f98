//go:build linux

package main

import (
	"context"
	"fmt"
)

// growth measures the cost of a delivery and of a publish with few and with many
// connections. Each measurement has a new server, because a store that has been written to
// for a while has more background work.
func growth(ctx context.Context, b *bench) error {
	for round := range b.sizes.rounds {
		for _, side := range []side{floor, service} {
			for _, step := range []scenario{
				{name: "few", clients: func(s sizes) int { return s.few }, run: crowded("few")},
				{name: "many", clients: idlers, run: crowded("many")},
			} {
				what := fmt.Sprintf("growth %-5s %-7s round %d", step.name, side, round+1)
				if err := b.timed(what, func() error { return b.runOne(ctx, step, side) }); err != nil {
					return err
				}
			}
			for _, what := range []string{"broadcast", "stored"} {
				b.results.add("growth of "+what, side,
					b.results.last("many "+what+" cpu", side)/b.results.last("few "+what+" cpu", side))
			}
		}
	}
	return nil
}

// crowded returns a scenario that measures one broadcast at a time and then publishes to
// single users.
func crowded(name string) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		if _, err := s.connect(ctx); err != nil {
			return err
		}
		if err := s.broadcast(ctx, name+" broadcast", 1); err != nil {
			return err
		}
		return s.loads(ctx, load{name: name + " stored", publishers: 64})
	}
}
