package hostile

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// between is how long a slow head waits before its next byte.
const between = 250 * time.Millisecond

// Heads that come a byte now and then hold nothing for long: each is cut off,
// or answered, whatever is still to come, and others are served meanwhile.
func TestAttackSlowHeads(t *testing.T) {
	s := start(t)
	n := might(500, 50)
	heads := []string{
		"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + fmt.Sprintf("%01000d", 0),
		"POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nX-Slow: " + fmt.Sprintf("%01000d", 0),
		"GET /" + fmt.Sprintf("%01000d", 0),
		s.handshake(s.token("mallory"), "") + fmt.Sprintf("%01000d", 0),
	}
	var cut sync.WaitGroup
	t.Cleanup(cut.Wait) // after the connections are closed
	conns := make([]*socket, n)
	began := time.Now()
	for i := range conns {
		c := s.dial(t)
		conns[i] = c
		cut.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			_, err := io.Copy(io.Discard, c.r)
			if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
				t.Error("a slow head is still waited for")
			}
		})
	}
	gone := make(chan struct{})
	go func() { cut.Wait(); close(gone) }()

	var others waits // of the control client meanwhile
	tick := time.NewTicker(between)
	defer tick.Stop()
	for at, open := 0, true; open; at++ {
		for i, c := range conns {
			head := heads[i%len(heads)]
			c.put(head[at%len(head) : at%len(head)+1])
		}
		asked := time.Now()
		s.hears(t)
		others = append(others, time.Since(asked))
		select {
		case <-gone:
			open = false
		case <-tick.C:
		}
	}
	took := time.Since(began)
	s.unharmed(t)
	require.NotContains(t, s.log.String(), "panic")
	figure(t, fmt.Sprintf("%d slow heads, a byte every %v", n, between),
		"the last was cut off after %.1f s; publish to notification of others meanwhile: p50 %.1f ms, longest %.1f ms, %d times",
		took.Seconds(), milliseconds(others.quantile(0.5)), milliseconds(others.quantile(1)), len(others))
}
