//go:build linux

// Package crowd is a great many clients that cost little: raw sockets on a few
// epoll loops, each from an address of its own in 127.0.0.0/8 so that ports do
// not run out. Every user has one socket, and socket i is that of user i.
//
// A crowd holds every notification it receives against its mark and so knows
// what was lost, repeated, reordered or sent to the wrong user.
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

// Lanes is how many lanes a mark may name: lane 0 for notifications to one
// user, the others for broadcasts.
const Lanes = 8

// ErrStalled means that what was awaited did not come, though the crowd waited
// until nothing had come for a while.
var ErrStalled = errors.New("nothing more comes")

// patience is how long nothing may come before a wait is given up.
const patience = 10 * time.Second

// Options say what a crowd is.
type Options struct {
	Server  netip.AddrPort // an IPv4 address
	Size    int
	Loops   int // how many goroutines share the sockets
	Dialect dialect.Dialect
	Epoch   time.Time // what the marks' times are counted from

	// KeepCursors has every socket remember its last cursor and resume from it
	// when it connects again.
	KeepCursors bool
}

// Crowd is that many clients. Its methods are for one goroutine, except Await.
type Crowd struct {
	options  Options
	shards   []*shard
	lanes    [Lanes]lane
	unready  atomic.Int64
	progress atomic.Int64
	outcome  chan error // of connecting: nil once all are ready
}

// lane counts what came in its order.
type lane struct {
	got, want atomic.Int64
	reached   chan struct{}
}

// New returns a crowd of which nobody is connected yet. The caller must Close
// it.
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

// Connect opens all sockets, so many handshakes at a time, and returns how long
// it took until the last was ready.
func (c *Crowd) Connect(ctx context.Context, atOnce int) (time.Duration, error) {
	c.unready.Store(int64(c.options.Size))
	start := time.Now()
	for _, s := range c.shards {
		s.loop.Do(func() { s.connect(max(atOnce/len(c.shards), 1)) })
	}
	for {
		before := c.progress.Load()
		select {
		case err := <-c.outcome:
			return time.Since(start), err
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(patience):
			if c.progress.Load() == before {
				return 0, fmt.Errorf("connecting, %d not ready: %w", c.unready.Load(), ErrStalled)
			}
		}
	}
}

// Drop closes all sockets. What they have received, and their cursors, are kept.
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

// Await returns once want notifications have come in a lane, all sockets and
// all time counted together. It is for one goroutine a lane.
func (c *Crowd) Await(ctx context.Context, laneNumber int, want int64) error {
	l := &c.lanes[laneNumber]
	select {
	case <-l.reached: // of an earlier wait that had seen it without
	default:
	}
	l.want.Store(want)
	for l.got.Load() < want {
		before := c.progress.Load()
		select {
		case <-l.reached:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
			if c.progress.Load() == before {
				return fmt.Errorf("%d of %d came: %w", l.got.Load(), want, ErrStalled)
			}
		}
	}
	return nil
}

// Latencies returns how long notifications took from their mark to a socket,
// and starts to count anew.
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

// Faults returns what went wrong since the crowd was made.
func (c *Crowd) Faults() Faults {
	var all Faults
	for _, s := range c.shards {
		s.loop.Do(func() { all = all.plus(s.faults) })
	}
	return all
}

// Orders returns in how many different orders the clients saw broadcasts: 1 if
// everyone saw the same ones in the same order.
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

// came counts one notification that came in its order.
func (c *Crowd) came(laneNumber uint16) {
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

// settle ends Connect, unless it has been.
func (c *Crowd) settle(err error) {
	select {
	case c.outcome <- err:
	default:
	}
}
