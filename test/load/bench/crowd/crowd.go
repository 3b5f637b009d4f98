//go:build linux

// Package crowd provides thousands of clients that cost little: raw sockets on a few
// epoll loops, each with its own address in 127.0.0.0/8 so that ports do not run out.
// Every user has one socket; socket i belongs to user i.
//
// A crowd compares every notification that it receives with its mark, and so detects
// notifications that were lost, repeated, reordered or sent to the wrong user.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/poll"
	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// Lanes is the number of lanes: lane 0 is for notifications to one user, the others are
// for broadcasts.
const Lanes = 8

// ErrStalled means that a wait ended without success, because nothing more arrived for
// stallTimeout.
var ErrStalled = errors.New("no further notifications arrive")

// stallTimeout ends a wait if nothing has arrived for so long.
const stallTimeout = 10 * time.Second

// Options configure a crowd.
type Options struct {
	Server  netip.AddrPort // an IPv4 address
	Size    int
	Loops   int // number of goroutines that share the sockets
	Dialect dialect.Dialect
	Epoch   time.Time // start of the clock of the marks

	// KeepCursors makes every socket remember its last cursor and resume from it when
	// it connects again.
	KeepCursors bool
}

// Crowd is a number of clients. Its methods must be called by one goroutine, except Await.
type Crowd struct {
	options  Options
	shards   []*shard
	lanes    [Lanes]lane
	unready  atomic.Int64
	progress atomic.Int64
	outcome  chan error // result of connecting: nil when all are ready
}

// lane counts the notifications that have arrived in order.
type lane struct {
	got, want atomic.Int64
	reached   chan struct{}
}

// New returns a crowd of unconnected clients. The caller must Close it.
func New(o Options) (*Crowd, error) {
	c := &Crowd{options: o, outcome: make(chan error, 1)}
	for i := range c.lanes {
		c.lanes[i].reached = make(chan struct{}, 1)
	}
	for range o.Loops {
		loop, err := poll.Start()
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.shards = append(c.shards, &shard{crowd: c, loop: loop, in: make([]byte, 64<<10)})
	}
	for i := range o.Size {
		s := c.shards[i%o.Loops]
		s.sockets = append(s.sockets, &socket{shard: s, user: uint32(i), fd: -1})
	}
	return c, nil
}

// Connect opens all sockets, with at most concurrent handshakes at a time, and returns how
// long it took until the last one was ready.
func (c *Crowd) Connect(ctx context.Context, concurrent int) (time.Duration, error) {
	c.unready.Store(int64(c.options.Size))
	start := time.Now()
	for _, s := range c.shards {
		s.loop.Do(func() { s.connect(max(concurrent/len(c.shards), 1)) })
	}
	for {
		before := c.progress.Load()
		select {
		case err := <-c.outcome:
			return time.Since(start), err
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(stallTimeout):
			if c.progress.Load() == before {
				return 0, fmt.Errorf("connecting, %d not ready: %w", c.unready.Load(), ErrStalled)
			}
		}
	}
}

// Drop closes all sockets. Their cursors and the counts of received notifications are
// kept.
func (c *Crowd) Drop() {
	for _, s := range c.shards {
		s.loop.Do(s.drop)
	}
}

// Close drops the crowd and ends its loops.
func (c *Crowd) Close() error {
	c.Drop()
	var errs []error
	for _, s := range c.shards {
		errs = append(errs, s.loop.Close())
	}
	return errors.Join(errs...)
}

// Await returns when want notifications have arrived in a lane, on all sockets since New.
// Each lane may have one goroutine in Await.
func (c *Crowd) Await(ctx context.Context, laneNumber int, want int64) error {
	l := &c.lanes[laneNumber]
	select {
	case <-l.reached: // left over from an earlier wait
	default:
	}
	l.want.Store(want)
	for l.got.Load() < want {
		before := c.progress.Load()
		select {
		case <-l.reached:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stallTimeout):
			if c.progress.Load() == before {
				return fmt.Errorf("%d of %d have arrived: %w", l.got.Load(), want, ErrStalled)
			}
		}
	}
	return nil
}

// Latencies returns the times from sending to receiving a notification since the last
// call.
func (c *Crowd) Latencies() *stats.Histogram {
	all := new(stats.Histogram)
	for _, s := range c.shards {
		s.loop.Do(func() {
			all.Merge(&s.latency)
			s.latency = stats.Histogram{}
		})
	}
	return all
}

// Faults returns the faults since New.
func (c *Crowd) Faults() Faults {
	var all Faults
	for _, s := range c.shards {
		s.loop.Do(func() { all = all.plus(s.faults) })
	}
	return all
}

// Orders returns the number of different orders in which clients have seen broadcasts: 1
// if all have seen the same ones in the same order.
func (c *Crowd) Orders() int {
	orders := map[uint64]bool{}
	for _, s := range c.shards {
		s.loop.Do(func() {
			for _, sock := range s.sockets {
				orders[sock.order] = true
			}
		})
	}
	return len(orders)
}

// arrived counts one notification that has arrived in order.
func (c *Crowd) arrived(laneNumber uint16) {
	l := &c.lanes[laneNumber]
	if l.got.Add(1) == l.want.Load() {
		select {
		case l.reached <- struct{}{}:
		default:
		}
	}
}

// oneReady counts a socket that has become ready.
func (c *Crowd) oneReady() {
	c.progress.Add(1)
	if c.unready.Add(-1) == 0 {
		c.settle(nil)
	}
}

// settle ends Connect, unless it has ended already.
func (c *Crowd) settle(err error) {
	select {
	case c.outcome <- err:
	default:
	}
}
