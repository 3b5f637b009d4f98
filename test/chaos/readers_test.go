//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/bellhop/bellhop/test/traffic"
)

// readers are clients that stop reading, that read slowly, or that have vanished.
type readers struct {
	t       *testing.T
	p       *process
	clients []*client
	users   []string
}

// TestReadersThatDoNotKeepUp publishes more to clients than their queues can hold, while a part
// of them does not read, a part reads 1 kB/s, and the rest has vanished without a FIN. Meanwhile
// the publishes, receipts and notifications of other users go on. Promises 2 to 5: when the
// clients read again, or connect again, each gets everything once and in order, and without a
// reset.
func TestReadersThatDoNotKeepUp(t *testing.T) {
	const notifications, bytes = 400, 1_000 // a queue holds 256
	stopped, slow, vanished := scale(500, 40), scale(500, 40), scale(100, 10)
	silent := scale(100, 0) // vanished, and nothing is published to them: noticed after a minute
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0", "BELLHOP_REQUESTS_PER_SECOND=0"}}
	p.start()
	l := p.load(traffic.Options{Prefix: "other", Users: 4, Between: 10 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 4*timeout)
	defer cancel()
	r := &readers{t: t, p: p}
	reading := &throttle{}
	r.open(ctx, stopped, nil)
	r.open(ctx, slow, reading)
	r.open(ctx, vanished+silent, nil)
	defer r.close()
	users := r.users[:len(r.users)-silent]

	for _, c := range r.clients[stopped+slow:] {
		require.NoError(t, c.vanish())
	}
	reading.slow.Store(true)
	phase, endPhase := context.WithCancel(ctx)
	var slowly sync.WaitGroup
	for _, c := range r.clients[stopped : stopped+slow] {
		slowly.Go(func() { c.whileOpen(phase, ctx) })
	}
	for n := range notifications {
		for some := range slices.Chunk(users, 1_000) {
			p.publishTo(some, n, strings.Repeat("x", bytes))
		}
		if n%100 == 99 {
			l.Grows(t)
		}
	}
	p.waitForConnections(4) // all but those of the other users are closed
	l.Grows(t)

	begun := time.Now()
	endPhase()
	reading.slow.Store(false)
	slowly.Wait()
	for _, c := range r.clients[stopped+slow:] {
		require.NoError(t, c.cut())
	}
	var returning errgroup.Group
	for _, c := range r.clients[:len(users)] {
		returning.Go(func() error { return c.catchUp(ctx, notifications) })
	}
	require.NoError(t, returning.Wait())
	recovery := time.Since(begun)
	l.Stop()
	total := l.Compare()
	require.Zero(t, total.Refused, "publishes of other users that failed")
	for _, c := range r.clients[:len(users)] {
		add(&total, c.outcome(notifications))
	}
	record(t, result{
		fault: fmt.Sprintf("%d readers that stop, %d that read 1 kB/s, %d vanished without a FIN", stopped, slow, vanished+silent), Outcome: total,
		load: fmt.Sprintf("%d notifications of 1 kB to each; meanwhile 4 publishers and listeners, none of whose publishes failed", notifications), recovery: recovery,
	})
}

// open connects n more clients, half of them over event streams.
func (r *readers) open(ctx context.Context, n int, reading *throttle) {
	r.t.Helper()
	var opening errgroup.Group
	opening.SetLimit(50)
	for i := range n {
		user := fmt.Sprint("reader-", len(r.clients))
		c := &client{p: r.p, token: token(r.t, user), events: i%2 == 1, small: true}
		if reading != nil {
			c.wrap = reading.conn
		}
		r.clients, r.users = append(r.clients, c), append(r.users, user)
		opening.Go(func() error { return errors.Join(c.connect(ctx), c.until(ctx, "live")) })
	}
	require.NoError(r.t, opening.Wait())
}

func (r *readers) close() {
	for _, c := range r.clients {
		if c.stream != nil {
			c.stream.close()
		}
	}
}

// whileOpen reads until phase has ended, or the connection has.
func (c *client) whileOpen(phase, ctx context.Context) {
	for phase.Err() == nil {
		if _, err := c.next(ctx); err != nil {
			c.stream.close()
			c.stream = nil
			return
		}
	}
}

// throttle limits what connections read to 1 kB/s each, while slow is true.
type throttle struct{ slow atomic.Bool }

type throttledConn struct {
	net.Conn
	*throttle
}

func (t *throttle) conn(c net.Conn) net.Conn { return throttledConn{c, t} }

// Read implements net.Conn.
func (c throttledConn) Read(b []byte) (int, error) {
	if c.slow.Load() {
		<-time.After(100 * time.Millisecond) // the pace of the fault
		b = b[:min(len(b), 100)]
	}
	return c.Conn.Read(b)
}
