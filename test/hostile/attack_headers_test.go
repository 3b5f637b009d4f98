package hostile

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// byteInterval is the time byteInterval two bytes of a slow request header.
const byteInterval = 250 * time.Millisecond

// Request headers that arrive a byte at a time must not hold a connection for long. Each
// connection is closed or answered before its header is complete, and other clients are
// served meanwhile.
func TestAttackSlowHeaders(t *testing.T) {
	s := start(t)
	n := scale(500, 50)
	headers := []string{
		"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: " + fmt.Sprintf("%01000d", 0),
		"POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nX-Slow: " + fmt.Sprintf("%01000d", 0),
		"GET /" + fmt.Sprintf("%01000d", 0),
		s.handshake(s.token("mallory"), "") + fmt.Sprintf("%01000d", 0),
	}
	var readers sync.WaitGroup
	t.Cleanup(readers.Wait) // runs after the connections are closed
	conns := make([]*socket, n)
	began := time.Now()
	for i := range conns {
		c := s.dial(t)
		conns[i] = c
		readers.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(timeout))
			_, err := io.Copy(io.Discard, c.r)
			if netErr, ok := err.(interface{ Timeout() bool }); ok && netErr.Timeout() {
				t.Error("a connection with a slow header was not closed")
			}
		})
	}
	allClosed := make(chan struct{})
	go func() { readers.Wait(); close(allClosed) }()

	var others latencies // of notifications to the control client
	tick := time.NewTicker(byteInterval)
	defer tick.Stop()
	for at, open := 0, true; open; at++ {
		for i, c := range conns {
			header := headers[i%len(headers)]
			c.put(header[at%len(header) : at%len(header)+1])
		}
		published := time.Now()
		s.notifyControl(t)
		others = append(others, time.Since(published))
		select {
		case <-allClosed:
			open = false
		case <-tick.C:
		}
	}
	took := time.Since(began)
	s.undisturbed(t)
	require.NotContains(t, s.log.String(), "panic")
	figure(t, fmt.Sprintf("%d slow request headers, a byte every %v", n, byteInterval),
		"the last connection was closed after %.1f s; meanwhile %d notifications to the control client took p50 %.1f ms, at most %.1f ms",
		took.Seconds(), len(others), milliseconds(others.quantile(0.5)), milliseconds(others.quantile(1)))
}
