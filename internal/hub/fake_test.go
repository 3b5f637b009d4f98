package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a transport that records the events it receives. While it is stalled, writes
// wait, until it is closed.
type peer struct {
	mu      sync.Mutex
	written []string // texts of events
	rest    []string // of frames that a write has kept
	writes  int
	pings   []time.Duration
	closes  []notify.Close
	stalled chan struct{} // nil: not
	fails   error
	panics  bool

	closed chan struct{}
	start  time.Time
}

func newPeer() *peer { return &peer{closed: make(chan struct{}), start: time.Now()} }

// stall makes writes wait until the returned function is called.
func (p *peer) stall() (resume func()) {
	ch := make(chan struct{})
	p.mu.Lock()
	p.stalled = ch
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		p.stalled = nil
		p.mu.Unlock()
		close(ch)
	}
}

func (p *peer) wait() error {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled == nil {
		return nil
	}
	select {
	case <-stalled:
		return nil
	case <-p.closed:
		return errors.New("closed")
	}
}

func (p *peer) Write(events []*hub.Event, wait bool) (bool, error) {
	p.mu.Lock()
	for _, e := range events {
		p.rest = append(p.rest, textOf(e))
	}
	if p.stalled != nil && !wait {
		p.mu.Unlock()
		return false, nil
	}
	p.mu.Unlock()
	if err := p.wait(); err != nil {
		return true, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.panics {
		panic("as the test wants it")
	}
	if p.fails != nil {
		return true, p.fails
	}
	p.writes++
	p.written = append(p.written, p.rest...)
	p.rest = nil
	return true, nil
}

func (*peer) Size(e *hub.Event) int { return len(textOf(e)) }

func (*peer) Name() string      { return "test" }
func (*peer) Nonblocking() bool { return true }

func (p *peer) Ping() (bool, error) {
	if done, err := p.Write(nil, false); !done || err != nil {
		return done, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes--
	p.pings = append(p.pings, time.Since(p.start))
	return true, nil
}

func (p *peer) Close(why notify.Close) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.closes) == 0 {
		close(p.closed)
	}
	p.closes = append(p.closes, why)
}

func (p *peer) received() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.written)
}

func (p *peer) pinged() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pings)
}

// ended returns the reason that it was closed with, the zero one if it is open.
func (p *peer) ended(t *testing.T) notify.Close {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch len(p.closes) {
	case 0:
		return notify.Close{}
	case 1:
		return p.closes[0]
	default:
		t.Fatalf("closed %d times: %v", len(p.closes), p.closes)
		return notify.Close{}
	}
}

func (p *peer) wantEnd(t *testing.T, want notify.Close) {
	t.Helper()
	if got := p.ended(t); got != want {
		t.Errorf("ended with %+v, want %+v", got, want)
	}
}

func (p *peer) want(t *testing.T, want ...string) {
	t.Helper()
	if got := p.received(); !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

// counts is a Metrics.
type counts struct {
	mu        sync.Mutex
	opened    int
	closed    map[int]int
	delivered int
	delays    []time.Duration
	dropped   map[string]int
}

func newCounts() *counts { return &counts{closed: map[int]int{}, dropped: map[string]int{}} }

func (m *counts) Opened(string) { m.mu.Lock(); m.opened++; m.mu.Unlock() }
func (m *counts) Closed(_ string, c notify.Close) {
	m.mu.Lock()
	m.closed[c.Code]++
	m.mu.Unlock()
}
func (m *counts) Delivered(n int)         { m.mu.Lock(); m.delivered += n; m.mu.Unlock() }
func (m *counts) Delayed(d time.Duration) { m.mu.Lock(); m.delays = append(m.delays, d); m.mu.Unlock() }

func (m *counts) Dropped(n int, why string) {
	m.mu.Lock()
	m.dropped[why] += n
	m.mu.Unlock()
}

func user(u string) notify.Principal {
	return notify.Principal{User: notify.UserID(u), Name: "user:" + u}
}

// pass lets d of the bubble's time pass, and what comes of it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// join registers a connection.
func join(t *testing.T, h *hub.Hub, p notify.Principal) (*hub.Conn, *peer) {
	t.Helper()
	to := newPeer()
	c := h.NewConn(p, "c-"+string(p.User), nil, to)
	if err := h.Register(c); err != nil {
		t.Fatal(err)
	}
	return c, to
}

// connect registers a connection that is live from the start.
func connect(t *testing.T, h *hub.Hub, p notify.Principal) (*hub.Conn, *peer) {
	t.Helper()
	c, to := join(t, h, p)
	if !h.GoLive(c, 0, nil) {
		t.Fatal("it did not go live")
	}
	return c, to
}

// event returns an event with a text, and a sequence unless that is 0.
func event(seq int, text string) *hub.Event {
	n := &notify.Notification{Content: []byte(text)}
	return &hub.Event{Sequence: notify.Sequence(seq), Content: hub.Notification{Notification: n}}
}

func frame(seq int) *hub.Event { return event(seq, strconv.Itoa(seq)) }

func ephemeral(text string) *hub.Event { return event(0, text) }

// textOf returns the text of an event that a test has made, or else its count.
func textOf(e *hub.Event) string {
	switch c := e.Content.(type) {
	case hub.Notification:
		return string(c.Content)
	case hub.InboxChange:
		return "count at " + strconv.Itoa(c.Counts.Unread)
	case hub.Live:
		return "live " + strconv.Itoa(c.Counts.Unread)
	}
	panic(fmt.Sprintf("an event of type %T", e.Content))
}

func deliver(h *hub.Hub, seq int, users ...notify.UserID) {
	h.Deliver(notify.Readers{Users: users}, time.Time{}, frame(seq))
	h.Reached(notify.Sequence(seq))
}

var everyone = notify.Readers{All: true}

func deliverToAll(h *hub.Hub, seq int, at time.Time) {
	h.Deliver(everyone, at, frame(seq))
	h.Reached(notify.Sequence(seq))
}
