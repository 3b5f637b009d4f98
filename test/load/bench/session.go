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

// side is one of the two servers that are compared.
type side string

const (
	floor   side = "floor"
	service side = "service"
)

// concurrentHandshakes is the maximum number of handshakes under way.
const concurrentHandshakes = 1024

// sizes has the numbers and durations of a run.
type sizes struct {
	rounds  int           // number of measurements of floor and service, in turn
	idle    int           // connections that do nothing
	clients int           // connections that receive notifications
	lasts   time.Duration // of each measurement
	settles time.Duration // before memory is read
	warmUp  time.Duration // unmeasured load before each measurement
	missed  int           // notifications for each client that reconnects

	few       int // growth is measured from this number of connections to idle
	fewUsers  int // growth is measured from this number of users with history
	manyUsers int // to this number
	kept      int // notifications in the full store; 0 omits the scenario
	entries   int // notifications with which a new node of a cluster catches up
}

// session is a newly started server and its clients, in which one scenario runs.
type session struct {
	side    side
	sizes   sizes
	server  *server.Server
	crowd   *crowd.Crowd
	dialect dialect.Dialect
	epoch   time.Time
	clients int
	results *results

	// The numbers of notifications sent so far, to each user and in each lane. A
	// broadcast counts once.
	toUser []uint32
	inLane [crowd.Lanes]uint32
}

// now returns the time on the clock of the marks.
func (s *session) now() time.Duration { return time.Since(s.epoch) }

// record adds a figure of this side to the results.
func (s *session) record(metric string, value float64) {
	s.results.add(metric, s.side, value)
}

// connect opens all connections.
func (s *session) connect(ctx context.Context) (took time.Duration, err error) {
	return s.crowd.Connect(ctx, min(concurrentHandshakes, s.clients))
}

// cost runs f and returns the processor time that the server used during f.
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

// allocations runs f and returns the number of objects that the service allocated during
// f, without those of the request for the metrics. For the floor it returns 0.
func (s *session) allocations(ctx context.Context, f func() error) (objects float64, err error) {
	if s.side == floor {
		return 0, f()
	}
	var counts [3]float64 // read twice before f and once after
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

// recordAllocations records the number of objects per unit, for n units.
func (s *session) recordAllocations(metric string, objects float64, n int64) {
	if s.side == service {
		s.record(metric, max(objects, 0)/float64(n))
	}
}

// lateRepeats is how long check waits for notifications that must not arrive.
const lateRepeats = 200 * time.Millisecond

// errFault means that a promise was broken: something was lost, repeated,
// reordered or sent to the wrong user.
var errFault = errors.New("a promise was broken")

// check returns errFault if any client has seen a fault. It must be called when everything
// that was sent has arrived.
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

// awaitAll waits until every notification to a single user has arrived.
func (s *session) awaitAll(ctx context.Context) error {
	return lost(s.crowd.Await(ctx, 0, int64(s.inLane[0])), s.crowd)
}

// lost turns ErrStalled into errFault, because missing notifications are lost.
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

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
