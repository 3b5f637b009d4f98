//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/mark"
	"github.com/bellhop/bellhop/test/load/bench/publish"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// histories measures the cost of a publish with few and with many users that have
// history, in turn on two services that run side by side. Then it fills the store of the
// second one and measures how long the service takes to start.
func histories(ctx context.Context, b *bench) (err error) {
	few, err := b.newStock(ctx, "few users", b.sizes.fewUsers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.close()) }()
	many, err := b.newStock(ctx, "many users", b.sizes.manyUsers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.close()) }()

	for range b.sizes.rounds {
		for _, k := range []*stock{few, many} {
			if err := k.measure(ctx); err != nil {
				return fmt.Errorf("publish to %s: %w", k.name, err)
			}
		}
		b.results.add("growth by users", service,
			b.results.last("many users cpu", service)/b.results.last("few users cpu", service))
	}
	if b.sizes.kept == 0 {
		return nil
	}
	return many.starts(ctx)
}

// stock is a service without connections whose store has history of a number of users,
// each with the same number of notifications.
type stock struct {
	bench   *bench
	name    string
	dir     string
	users   int
	stored  int // notifications published so far
	server  *server.Server
	dialect dialect.Dialect
}

// newStock starts a service with one notification for each of a number of users. The
// caller must close it.
func (b *bench) newStock(ctx context.Context, name string, users int) (k *stock, err error) {
	k = &stock{bench: b, name: name, users: users, dialect: dialect.NewService(server.Secret, maxPublishers)}
	if k.dir, err = b.makeDir("history"); err != nil {
		return nil, err
	}
	if err := k.start(ctx); err != nil {
		return nil, err
	}
	if err := k.fillAndRest(ctx); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

func (k *stock) start(ctx context.Context) (err error) {
	k.server, err = server.StartService(ctx, k.bench.programs[service], k.dir)
	return err
}

// close stops the service, if it runs, and removes its data.
func (k *stock) close() (err error) {
	if k.server != nil {
		err = k.server.Stop()
	}
	return errors.Join(err, os.RemoveAll(k.dir))
}

// fill publishes at least n more notifications.
func (k *stock) fill(ctx context.Context, n int, whose turn) error {
	const publishers, inOne, most = 8, 1_000, 20 * time.Minute
	start := time.Now()
	_, err := k.publish(ctx, load{publishers: publishers, batch: inOne}, whose, most, (n+inOne-1)/inOne)
	if err != nil {
		return fmt.Errorf("fill the store: %w", err)
	}
	k.bench.say("           %s, %s notifications stored, %.1f s", k.name, thousands(int64(k.stored)), time.Since(start).Seconds())
	return nil
}

// fillAndRest publishes to every user in scattered order, which makes the store as
// fragmented as in production, and waits for its compactions.
func (k *stock) fillAndRest(ctx context.Context) error {
	if err := k.fill(ctx, k.users, scattered); err != nil {
		return err
	}
	return k.rest(ctx)
}

// rest waits until the service uses almost no processor time, that is until its store has
// been compacted.
func (k *stock) rest(ctx context.Context) error {
	const most, quiet = 60, 50 * time.Millisecond
	start := time.Now()
	for range most {
		used, err := cost(k.server, func() error { return pause(ctx, time.Second) })
		if err != nil {
			return err
		}
		if used < quiet {
			break
		}
	}
	k.bench.say("           %s, idle after %.0f s", k.name, time.Since(start).Seconds())
	return nil
}

// measure records the cost of a publish to one user.
func (k *stock) measure(ctx context.Context) error {
	l := load{publishers: 64}
	if _, err := k.publish(ctx, l, scattered, k.bench.sizes.warmUp, 0); err != nil {
		return err
	}
	var result publish.Result
	cpu, err := cost(k.server, func() (err error) {
		result, err = k.publish(ctx, l, scattered, k.bench.sizes.lasts, 0)
		return err
	})
	if err != nil {
		return err
	}
	k.bench.results.add(k.name+" cpu", service, perMillion(cpu, result.Notifications))
	return nil
}

// turn returns the user of the n-th publish to a number of users. Every user has one
// turn before any user has a second.
type turn func(n, users int) uint32

func inOrder(n, users int) uint32 { return uint32(n % users) }

// scattered lets consecutive publishes go to users that are not neighbours in the store.
func scattered(n, users int) uint32 {
	const prime = 7_368_787 // not a divisor of any number of users in the sizes
	return uint32(n * prime % users)
}

// publish publishes as described by l, for a time or until a number of requests.
func (k *stock) publish(ctx context.Context, l load, whose turn, lasts time.Duration, most int) (publish.Result, error) {
	marks := make([]mark.Mark, max(l.batch, 1))
	return publish.Run(ctx, publish.Options{
		Server:     k.server.Address,
		Publishers: l.publishers,
		Epoch:      time.Now(),
		For:        lasts,
		Most:       most,
		PerSecond:  l.perSecond,
		Source: func(dst []byte, publisher int, at time.Duration) ([]byte, int) {
			for i := range marks {
				k.stored++
				marks[i] = mark.Mark{User: whose(k.stored, k.users), Sequence: uint32(k.stored), Sent: int64(at)}
			}
			return k.dialect.Publish(dst, publisher, marks, dialect.Stored), len(marks)
		},
	})
}

// unsorted is the number of notifications that are published before a kill: more than the
// store keeps in memory, so that the log must be replayed.
const unsorted = 50_000

// starts measures how long the service takes to start with a full store, after a stop and
// after a kill. The store is filled user by user, which is several times as fast as in
// scattered order and gives the same amount of data.
func (k *stock) starts(ctx context.Context) error {
	if missing := k.bench.sizes.kept - k.stored; missing > 0 {
		if err := k.fill(ctx, missing, inOrder); err != nil {
			return err
		}
	}
	for range k.bench.sizes.rounds {
		if err := k.restart(ctx, "start full", (*server.Server).Stop); err != nil {
			return err
		}
	}
	size, err := k.server.Metric(ctx, server.DiskBytes)
	if err != nil {
		return err
	}
	k.bench.results.add("full store", service, size/(1<<20))
	for range k.bench.sizes.rounds {
		if err := k.fill(ctx, unsorted, scattered); err != nil {
			return err
		}
		if err := k.restart(ctx, "start killed", (*server.Server).Kill); err != nil {
			return err
		}
	}
	return nil
}

// restart ends the service, starts it again and checks that no durable entry is missing.
func (k *stock) restart(ctx context.Context, metric string, end func(*server.Server) error) error {
	before, err := k.server.Metric(ctx, server.Sequence)
	if err != nil {
		return err
	}
	old := k.server
	k.server = nil
	if err := end(old); err != nil {
		return err
	}
	if err := k.start(ctx); err != nil {
		return err
	}
	k.bench.results.add(metric, service, milliseconds(k.server.StartTime()))
	after, err := k.server.Metric(ctx, server.Sequence)
	if err != nil {
		return err
	}
	if after < before {
		return fmt.Errorf("%w: the store went back from %.0f to %.0f in a restart", errFault, before, after)
	}
	return nil
}
