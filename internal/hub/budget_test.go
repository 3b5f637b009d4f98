package hub_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// sized is an event that counts as so many bytes.
func sized(size int) *hub.Event { return ephemeral(strings.Repeat("x", size)) }

func wantQueued(t *testing.T, h *hub.Hub, want int64) {
	t.Helper()
	if got := h.Queued(); got != want {
		t.Fatalf("%d bytes are queued, want %d", got, want)
	}
}

// When the budget is nearly used up, the connection with the largest queue ends, and one
// with an empty queue still gets its share.
func TestQueuedBytesOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{QueuedBytes: 1000, Metrics: m})
		hog, toHog := connect(t, h, user("hog"))
		resume := toHog.stall()
		for range 5 {
			hog.Offer(sized(100))
			synctest.Wait()
		}
		wantQueued(t, h, 500)
		ada, toAda := connect(t, h, user("ada"))
		resumeAda := toAda.stall()
		if !ada.Offer(sized(400)) {
			t.Fatal("an event of a connection with an empty queue does not fit")
		}
		wantQueued(t, h, 900)
		if hog.Offer(sized(100)) {
			t.Fatal("an event of the connection with the longest queue fits")
		}
		synctest.Wait()
		toHog.wantEnd(t, notify.CloseOverloaded)
		wantQueued(t, h, 400)
		if ada.Offer(sized(1001)) {
			t.Error("more was queued than may be")
		}
		resume()
		resumeAda()
		synctest.Wait()
		toAda.wantEnd(t, notify.CloseOverloaded)
		wantQueued(t, h, 0)
		if m.closed[notify.CloseOverloaded.Code] != 2 || m.dropped[notify.CloseOverloaded.Reason] != 4+1+1 {
			t.Errorf("closed %v, dropped %v", m.closed, m.dropped)
		}
		h.Drain(context.Background(), 0)
	})
}

// Whether queued events are written or dropped, the budget is free in the end.
func TestQueuedBytesReturnToZero(t *testing.T) {
	for name, c := range map[string]struct {
		joining bool
		then    func(*hub.Hub, *hub.Conn, *peer)
	}{
		"written":          {false, func(*hub.Hub, *hub.Conn, *peer) {}},
		"lost":             {false, func(_ *hub.Hub, c *hub.Conn, _ *peer) { c.End(notify.CloseLost) }},
		"said goodbye":     {false, func(_ *hub.Hub, c *hub.Conn, _ *peer) { c.End(notify.CloseNormal) }},
		"a panic":          {false, func(_ *hub.Hub, _ *hub.Conn, p *peer) { p.mu.Lock(); p.panics = true; p.mu.Unlock() }},
		"a failed write":   {false, func(_ *hub.Hub, _ *hub.Conn, p *peer) { p.mu.Lock(); p.fails = context.Canceled; p.mu.Unlock() }},
		"held, then live":  {true, func(h *hub.Hub, c *hub.Conn, _ *peer) { h.GoLive(c, 0, sized(10)) }},
		"held, then ended": {true, func(_ *hub.Hub, c *hub.Conn, _ *peer) { c.End(notify.CloseNormal) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(hub.Options{QueuedBytes: 1 << 20})
				conn, to := join(t, h, user("ada"))
				if !c.joining {
					h.GoLive(conn, 0, nil)
				}
				resume := to.stall()
				for range 3 {
					h.Deliver(everyone, time.Time{}, sized(100))
					synctest.Wait()
				}
				wantQueued(t, h, 300)
				c.then(h, conn, to)
				resume()
				synctest.Wait()
				wantQueued(t, h, 0)
				h.Drain(context.Background(), 0)
			})
		})
	}
}

// Ephemeral events for connections that are not live yet count too. Those that exceed the
// budget are dropped, and no connection ends.
func TestHeldBytesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{QueuedBytes: 300, Metrics: m})
		c, to := join(t, h, user("ada"))
		for range 3 {
			h.Deliver(everyone, time.Time{}, sized(100))
		}
		wantQueued(t, h, 200)
		if m.dropped[hub.DropJoining] != 1 {
			t.Errorf("dropped %v", m.dropped)
		}
		h.GoLive(c, 0, nil)
		synctest.Wait()
		if n := len(to.received()); n != 2 {
			t.Errorf("received %d frames", n)
		}
		wantQueued(t, h, 0)
		h.Drain(context.Background(), 0)
	})
}

func TestQueuedBytesUnderLoad(t *testing.T) {
	h := hub.New(hub.Options{QueuedBytes: 1 << 20})
	var conns []*hub.Conn
	for i := range 20 {
		c, _ := connect(t, h, user(strconv.Itoa(i)))
		conns = append(conns, c)
	}
	for i := range 500 {
		h.Deliver(everyone, time.Time{}, sized(i))
		if i%50 == 0 {
			conns[i/50].End(notify.CloseLost)
		}
	}
	h.Drain(context.Background(), 0)
	wantQueued(t, h, 0)
}
