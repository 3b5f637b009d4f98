//go:build linux

// Package publish sends POST requests over a few keep-alive connections. They are raw
// sockets on one epoll loop, so that a publish costs the tool little more than a write and
// a read.
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

// Source appends the next request of a publisher, with its time on the tool's clock, and
// returns the number of notifications in it. It is called by one goroutine.
type Source func(dst []byte, publisher int, at time.Duration) (request []byte, notifications int)

// Options configure a run.
type Options struct {
	Server     netip.AddrPort // an IPv4 address
	Publishers int            // each on a connection, with one request under way
	Source     Source
	Epoch      time.Time     // start of the tool's clock
	For        time.Duration // how long new requests are started
	Most       int           // maximum number of requests; 0 means no maximum
	PerSecond  float64       // requests of all publishers together; 0 means as fast as possible
}

// Result is the result of a run.
type Result struct {
	Requests, Notifications int64
	Answers                 *stats.Histogram // from a request's due time to its answer
}

// responseTimeout limits the wait for the last responses.
const responseTimeout = 30 * time.Second

// Run publishes as configured by o and returns when every request has been answered. A
// request that is not accepted ends the run with an error, because the tool then does not
// know which notifications to expect.
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
	case <-time.After(o.For + responseTimeout):
		loop.Do(func() { f.fail(errors.New("responses are missing")) })
	case <-ctx.Done():
		loop.Do(func() { f.fail(ctx.Err()) })
	}
	loop.Do(f.close)
	return f.result, errors.Join(f.failure, loop.Close())
}

// flood is one run. Only the loop's goroutine may use its fields.
type flood struct {
	options Options
	loop    *poll.Loop
	done    chan struct{} // closed at the end

	publishers []*publisher
	idle       []*publisher
	busy       int
	clock      *clock // nil if requests are sent as fast as possible
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

// over reports whether no further requests are started.
func (f *flood) over() bool {
	started := f.result.Requests + int64(f.busy)
	return f.failure != nil || f.now() >= f.stopAt ||
		f.options.Most > 0 && started >= int64(f.options.Most)
}

// answered counts a response and gives p its next request.
func (f *flood) answered(p *publisher) {
	f.busy--
	f.result.Requests++
	f.result.Notifications += int64(p.notifications)
	f.result.Answers.Record(f.now() - p.due)
	f.idle = append(f.idle, p)
	f.pair()
}

// ticked adds n requests that are due now. A request that waits for an idle publisher keeps
// its due time, so that the delays of a slow server are counted.
func (f *flood) ticked(n uint64) {
	now := f.now()
	for range n {
		f.due = append(f.due, now)
	}
	f.pair()
}

// pair gives due requests to idle publishers. It ends the run when no request is due later
// and none is under way.
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

// nextDue removes the next due request. Without a fixed rate a request is always due.
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
		_ = unix.Close(p.fd) // all counted responses have been read
	}
	if f.clock != nil {
		_ = unix.Close(f.clock.fd)
	}
}
