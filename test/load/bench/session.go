//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/crowd"
	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/server"
)

// side is one of the two that are compared.
type side string

const (
	floor   side = "floor"
	service side = "service"
)

// atOnce is how many handshakes are under way at most.
const atOnce = 1024

// sizes say how much of everything a run does.
type sizes struct {
	rounds  int           // floor and service in turn, so often
	idle    int           // connections that do nothing
	clients int           // connections that receive notifications
	lasts   time.Duration // of each measurement
	settles time.Duration // before memory is read
	warmUp  time.Duration // of the same kind, before a measurement
	missed  int           // notifications for each client that comes back

	few       int // connections that growth is measured from, up to idle
	fewUsers  int // with history, that growth is measured from
	manyUsers int // and up to
	kept      int // notifications in the full store that is started; 0: none is
}

// session is one server, freshly started, and the crowd around it: what one
// scenario runs in.
type session struct {
	side    side
	sizes   sizes
	server  *server.Server
	crowd   *crowd.Crowd
	dialect dialect.Dialect
	epoch   time.Time
	clients int
	results *results

	// How many were sent so far: to each user, and in each lane to anyone. A
	// broadcast counts once.
	toUser []uint32
	inLane [crowd.Lanes]uint32
}

// now returns the time on the clock that marks are stamped with.
func (s *session) now() time.Duration { return time.Since(s.epoch) }

// record notes a figure of this side.
func (s *session) record(metric string, value float64) {
	s.results.add(metric, s.side, value)
}

// connect opens all connections.
func (s *session) connect(ctx context.Context) (took time.Duration, err error) {
	return s.crowd.Connect(ctx, min(atOnce, s.clients))
}

// cost runs f and returns the processor time that the server used meanwhile.
func (s *session) cost(f func() error) (cpu time.Duration, err error) {
	return cost(s.server, f)
}

func cost(of *server.Server, f func() error) (cpu time.Duration, err error) {
	before, err := of.CPU()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := of.CPU()
	return after - before, err
}

// allocations runs f and returns how many objects the service allocated
// meanwhile, but for those that the asking takes. The floor is not asked.
func (s *session) allocations(ctx context.Context, f func() error) (objects float64, err error) {
	if s.side == floor {
		return 0, f()
	}
	var counts [3]float64 // asked twice before f, once after
	for i := range counts {
		if i == 2 {
			if err := f(); err != nil {
				return 0, err
			}
		}
		if counts[i], err = s.server.Metric(ctx, server.Mallocs); err != nil {
			return 0, err
		}
	}
	return counts[2] - counts[1] - (counts[1] - counts[0]), nil
}

// recordAllocations notes how many objects were allocated for each of n.
func (s *session) recordAllocations(metric string, objects float64, n int64) {
	if s.side == service {
		s.record(metric, max(objects, 0)/float64(n))
	}
}

// lateRepeats is how long the session listens for what should not come.
const lateRepeats = 200 * time.Millisecond

// errFault means that a promise was broken: something was lost, repeated,
// reordered or sent to the wrong user.
var errFault = errors.New("the promise was broken")

// check returns an error of kind errFault if anything went wrong until now. It
// is for when everything that was sent has come.
func (s *session) check(ctx context.Context) error {
	if err := pause(ctx, lateRepeats); err != nil {
		return err
	}
	if faults := s.crowd.Faults(); faults.Any() {
		return fmt.Errorf("%w: %v", errFault, faults)
	}
	if n := s.crowd.Orders(); s.side == service && n > 1 {
		return fmt.Errorf("%w: clients saw the broadcasts in %d different orders", errFault, n)
	}
	return nil
}

// allTold waits until every notification to a single user has come.
func (s *session) allTold(ctx context.Context) error {
	return lost(s.crowd.Await(ctx, 0, int64(s.inLane[0])), s.crowd)
}

// lost makes a wait that saw nothing more come a broken promise.
func lost(err error, c *crowd.Crowd) error {
	if errors.Is(err, crowd.ErrStalled) {
		return fmt.Errorf("%w: %w; %v", errFault, err, c.Faults())
	}
	return err
}

// perMillion returns processor seconds per million of n.
func perMillion(cpu time.Duration, n int64) float64 {
	return cpu.Seconds() * 1e6 / float64(n)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
