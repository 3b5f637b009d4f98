//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/server"
)

// profileLasts is the duration of each profile.
const profileLasts = 2 * time.Second

// profile writes consecutive profiles of a service into b.profiles until stop is called.
// An incomplete profile is discarded.
func (b *bench) profile(ctx context.Context, s *server.Server, scenario string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if err := b.profileOnce(ctx, s, scenario); err != nil && ctx.Err() == nil {
				b.say("           %v", err)
				return
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func (b *bench) profileOnce(ctx context.Context, s *server.Server, scenario string) error {
	profile, err := s.Profile(ctx, profileLasts)
	if err != nil {
		return err
	}
	b.profiled++
	file := filepath.Join(b.profiles, fmt.Sprintf("%s-%d.pb.gz", scenario, b.profiled))
	if err := os.WriteFile(file, profile, 0o600); err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	return nil
}
