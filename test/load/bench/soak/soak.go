//go:build linux

// Package soak puts a mixed load on one service for a long time: publishes to users, to a topic and to
// everyone, connections that come back with a cursor or a ticket, marks, new signing keys and a
// restart. It samples what the process uses, and compares what was acknowledged with what arrived.
package soak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/server"
)

// Options describe a run.
type Options struct {
	Program string        // bellhop
	Dir     string        // for the data of the service and its key file
	For     time.Duration // of the load
	Users   int           // each has one connection at a time
	Rate    int           // publishes per second, of all publishers together
	Say     func(format string, args ...any)
}

// Shares of the duration.
const (
	samples     = 120 // in all
	retention   = 8   // notifications are kept for an eighth
	rotations   = 12
	restart     = 4 // after a quarter, so that one process runs in both parts that levels compares
	publishers  = 16
	settleAfter = 10 * time.Second // that a new key has, until tokens are signed with it
)

// Result is the outcome of a run.
type Result struct {
	Options   Options
	Retention time.Duration
	Samples   []Sample // of the whole run, including one at the restart
	Restarted time.Duration

	Acknowledged, Refused, Connections, Marks, Rotations, Resets int64
	Lost, Repeated, Reordered                                    int
}

// run is a run that is under way.
type run struct {
	Options
	retention time.Duration
	begin     time.Time
	keys      *keys
	http      *http.Client
	latencies latencies

	serving atomic.Pointer[server.Server]

	acknowledged, refused, connections, marks, rotated, resets atomic.Int64
}

// Run runs the load for o.For. The error is of the service or of the machine; what was lost is in the
// result.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	r := &run{Options: o, begin: time.Now(), retention: max(o.For/retention, time.Minute), keys: newKeys(filepath.Join(o.Dir, "secrets"))}
	r.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: publishers + o.Users}, Timeout: 20 * time.Second}
	defer r.http.CloseIdleConnections()
	if err := r.keys.write(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "data"), 0o700); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.serving.Load().Stop()) }()

	users := make([]*user, o.Users)
	listening, endListening := context.WithCancel(ctx)
	var listeners sync.WaitGroup
	defer func() { endListening(); listeners.Wait() }()
	for i := range users {
		users[i] = newUser(r, i)
		listeners.Go(func() { users[i].visit(listening) })
	}
	result = &Result{Options: o, Retention: r.retention}
	if err := r.load(ctx, users, result); err != nil {
		return nil, err
	}
	r.drain(ctx, users)
	endListening()
	listeners.Wait()
	for _, u := range users {
		u.compare(result)
	}
	result.Acknowledged, result.Refused, result.Connections = r.acknowledged.Load(), r.refused.Load(), r.connections.Load()
	result.Marks, result.Rotations, result.Resets = r.marks.Load(), r.rotated.Load(), r.resets.Load()
	return result, nil
}

// start starts the service, with the data that there is.
func (r *run) start(ctx context.Context) error {
	s, err := server.StartService(ctx, r.Program, r.Dir,
		"BELLHOP_JWT_SECRET=", "BELLHOP_JWT_SECRET_FILE="+r.keys.file, fmt.Sprint("BELLHOP_NOTIFICATIONS_PER_USER=", r.perUser()),
		fmt.Sprintf("BELLHOP_RETENTION=%d", int(r.retention.Seconds())), "BELLHOP_DRAIN_WINDOW=2")
	if err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	r.serving.Store(s)
	return nil
}

// perUser returns how many notifications a user may have. The default is enough for 300 publishes per second to
// 100 users. A user who is away marks what has arrived in up to three visits. Changes of more notifications than a
// user may have are not kept, and the user would be reset.
func (r *run) perUser() int {
	const least, visits = 1000, 3
	each := float64(r.Rate)/float64(r.Users) + 2*float64(r.Rate)/sharedEvery // per second
	return max(least, int(visits*(maxLife+maxAway).Seconds()*each))
}

// load publishes, samples, rotates the keys and restarts the service, until the time is over.
func (r *run) load(ctx context.Context, users []*user, result *Result) error {
	publishing, end := context.WithTimeout(ctx, r.For)
	var all sync.WaitGroup
	defer func() { end(); all.Wait() }()
	for i := range publishers {
		p := &publisher{run: r, number: i, users: users}
		all.Go(func() { p.publish(publishing) })
	}
	tick := time.NewTicker(r.For / samples)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-publishing.Done():
			return ctx.Err()
		case <-tick.C:
		}
		sample, err := r.sample(publishing)
		if err != nil {
			if publishing.Err() != nil {
				continue
			}
			return err
		}
		result.Samples = append(result.Samples, sample)
		if n%(samples/rotations) == 0 {
			if err := r.rotate(); err != nil {
				return err
			}
		}
		if n == samples/restart {
			r.Say("%8v  restarting the service", sample.At.Round(time.Second))
			result.Restarted = time.Since(r.begin)
			if err := errors.Join(r.serving.Load().Stop(), r.start(ctx)); err != nil {
				return err
			}
		}
	}
}

// rotate makes a new key. The previous one stays valid until the next rotation.
func (r *run) rotate() error {
	r.rotated.Add(1)
	return r.keys.rotate()
}

// drain waits until every user has everything that was acknowledged, for a minute at most: compare
// counts what is missing then.
func (r *run) drain(ctx context.Context, users []*user) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, u := range users {
		for !u.complete() && ctx.Err() == nil {
			wait(ctx, 50*time.Millisecond)
		}
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// url returns the address of the service with a scheme, and a path.
func (r *run) url(scheme, path string) string {
	return scheme + "://" + r.serving.Load().Address.String() + path
}
