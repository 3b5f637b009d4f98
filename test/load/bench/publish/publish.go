//go:build linux

// Package publish sends POST requests over a few keep-alive connections, by raw
// sockets on one epoll loop, so that a publish costs the tool little more than
// a write and a read.
package publish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/load/bench/poll"
	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// Source appends the next request of a publisher, sent at a time on the tool's
// clock, and says how many notifications it carries. It is called by one
// goroutine.
type Source func(dst []byte, publisher int, at time.Duration) (request []byte, notifications int)

// Options say how to publish.
type Options struct {
	Server     netip.AddrPort // an IPv4 address
	Publishers int            // each on a connection, with one request under way
	Source     Source
	Epoch      time.Time     // what the tool's clock counts from
	For        time.Duration // how long to start requests
	Most       int           // how many requests at most; 0: as many as For allows
	PerSecond  float64       // requests for all publishers together; 0: flat out
}

// Result is what came of it.
type Result struct {
	Requests, Notifications int64
	Answers                 *stats.Histogram // from a request's due time to its answer
}

// answerPatience is how long the last answers may take.
const answerPatience = 30 * time.Second

// Run publishes as o says and returns when every request has been answered. A
// request that is not accepted ends it with an error, for what came of the
// notification is then not known.
func Run(ctx context.Context, o Options) (Result, error) {
	loop, err := poll.Start()
	if err != nil {
		return Result{}, err
	}
	f := &flood{
		options: o,
		loop:    loop,
		done:    make(chan struct{}),
		in:      make([]byte, 64<<10),
		result:  Result{Answers: new(stats.Histogram)},
	}
	loop.Do(f.start)
	select {
	case <-f.done:
	case <-time.After(o.For + answerPatience):
		loop.Do(func() { f.fail(errors.New("answers are missing")) })
	case <-ctx.Done():
		loop.Do(func() { f.fail(ctx.Err()) })
	}
	loop.Do(f.close)
	return f.result, errors.Join(f.failure, loop.Close())
}

// flood is one run. Everything in it is touched on the loop's goroutine alone.
type flood struct {
	options Options
	loop    *poll.Loop
	done    chan struct{} // closed at the end

	publishers []*publisher
	idle       []*publisher
	busy       int
	clock      *clock // nil: flat out
	due        []time.Duration
	stopAt     time.Duration

	in      []byte
	result  Result
	failure error
	ended   bool
}

func (f *flood) start() {
	f.stopAt = f.now() + f.options.For
	for i := range f.options.Publishers {
		p, err := dial(f, i)
		if err != nil {
			f.fail(err)
			return
		}
		f.publishers = append(f.publishers, p)
		f.idle = append(f.idle, p)
	}
	if f.options.PerSecond > 0 {
		clock, err := startClock(f, f.options.PerSecond)
		if err != nil {
			f.fail(err)
			return
		}
		f.clock = clock
	}
	f.pair()
}

func (f *flood) now() time.Duration { return time.Since(f.options.Epoch) }

// over reports whether no more requests are to be started.
func (f *flood) over() bool {
	started := f.result.Requests + int64(f.busy)
	return f.failure != nil || f.now() >= f.stopAt ||
		f.options.Most > 0 && started >= int64(f.options.Most)
}

// answered counts an answer and finds p something to do.
func (f *flood) answered(p *publisher) {
	f.busy--
	f.result.Requests++
	f.result.Notifications += int64(p.notifications)
	f.result.Answers.Record(f.now() - p.due)
	f.idle = append(f.idle, p)
	f.pair()
}

// ticked notes that n requests are due now. One that has to wait for an idle
// publisher keeps its time, so that a slow server cannot hide it.
func (f *flood) ticked(n uint64) {
	now := f.now()
	for range n {
		f.due = append(f.due, now)
	}
	f.pair()
}

// pair hands what is due to idle publishers, and ends the run when nothing is
// to come and nothing is under way.
func (f *flood) pair() {
	for len(f.idle) > 0 && !f.over() {
		due, some := f.nextDue()
		if !some {
			return
		}
		p := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		f.busy++
		p.send(due)
	}
	if f.busy == 0 && f.over() {
		f.end()
	}
}

// nextDue takes the next request that is due: flat out there is always one.
func (f *flood) nextDue() (at time.Duration, some bool) {
	if f.options.PerSecond == 0 {
		return f.now(), true
	}
	if len(f.due) == 0 {
		return 0, false
	}
	at, f.due = f.due[0], f.due[1:]
	return at, true
}

// fail ends the run with the first error.
func (f *flood) fail(err error) {
	if f.failure == nil {
		f.failure = fmt.Errorf("publish: %w", err)
	}
	f.end()
}

func (f *flood) end() {
	if !f.ended {
		f.ended = true
		close(f.done)
	}
}

func (f *flood) close() {
	for _, p := range f.publishers {
		_ = unix.Close(p.fd) // every answer that counts has been read
	}
	if f.clock != nil {
		_ = unix.Close(f.clock.fd)
	}
}
