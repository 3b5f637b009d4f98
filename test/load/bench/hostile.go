//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
	"github.com/bellhop/bellhop/test/mallory"
)

// The users of a service, one of which attacks it.
const (
	attacker = 0 // has a full inbox
	receiver = 1
)

// hostility measures how long publishes take, in turn without and with one user who does
// everything that it can. The service has its default limits.
func hostility(ctx context.Context, b *bench) (err error) {
	speaks := dialect.NewService(server.Secret, maxPublishers)
	k := &stock{bench: b, name: "hostile", users: 2, dialect: speaks}
	if k.dir, err = b.makeDir("hostile"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	k.server, err = server.StartService(ctx, b.programs[service], k.dir,
		"BELLHOP_REQUESTS_PER_SECOND=100", "BELLHOP_HANDSHAKES_PER_ADDRESS=500")
	if err != nil {
		return err
	}
	if _, err := k.publish(ctx, load{publishers: 1, batch: keptInFull}, toOne(attacker), b.sizes.lasts, 1); err != nil {
		return fmt.Errorf("fill the attacker's inbox: %w", err)
	}
	user := mallory.User{Address: k.server.Address.String(), Token: speaks.Token(attacker)}
	for range b.sizes.rounds {
		if err := k.responses(ctx, "publish alone"); err != nil {
			return err
		}
		if err := k.responsesUnderAttack(ctx, user); err != nil {
			return err
		}
		b.results.add("hostile growth", service, b.results.last("publish under attack", service)/b.results.last("publish alone", service))
	}
	return nil
}

// responsesUnderAttack measures response times while user attacks.
func (k *stock) responsesUnderAttack(ctx context.Context, user mallory.User) error {
	attack, stop := context.WithCancel(ctx)
	var attacking sync.WaitGroup
	defer attacking.Wait()
	defer stop()
	attacking.Go(func() { user.Run(attack) })
	if err := pause(ctx, k.bench.sizes.warmUp); err != nil {
		return err
	}
	return k.responses(ctx, "publish under attack")
}

// responses records the response time of publishes, at a rate that leaves the service
// mostly idle.
func (k *stock) responses(ctx context.Context, metric string) error {
	result, err := k.publish(ctx, load{publishers: 4, perSecond: 200}, toOne(receiver), k.bench.sizes.lasts, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", metric, err)
	}
	k.bench.results.add(metric, service, milliseconds(result.Answers.Quantile(0.5)))
	return nil
}

func toOne(user uint32) turn { return func(int, int) uint32 { return user } }
