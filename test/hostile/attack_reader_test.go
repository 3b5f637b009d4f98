package hostile

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// A reader that stops reading is told of more than its queue holds: it is let
// go with 4408, and nothing is kept for it but what everybody finds in the
// store. It loses nothing: it comes back with its cursor for the rest.
func TestAttackStalledReader(t *testing.T) {
	n := might(10_000, 3_000)
	const size, batch = 4 << 10, 40
	s := start(t, func(c *config.Config) { c.PerUser = n })
	stalled := s.stalled(t, "mallory")
	before := heap()
	var most uint64
	var all []string
	for len(all) < n {
		items := make([]string, batch)
		for i := range items {
			all = append(all, fmt.Sprint("notification ", len(all)))
			items[i] = fmt.Sprintf(`{"to":{"users":["mallory"]},"type":"t","title":"%d","data":{"a":%q}}`, len(all)-1, strings.Repeat("x", size))
		}
		require.Equal(t, "202", s.post(t, "/notify/batch", `{"notifications":[`+strings.Join(items, ",")+`]}`))
		if len(all)%(10*batch) == 0 {
			most = max(most, heap())
			s.hears(t)
		}
	}
	require.Contains(t, s.metrics(t), `bellhop_connections_closed_total{code="4408",reason="too-slow"} 1`)
	grown := max(most, before) - before
	// Its queue is 1 MiB. All that it was told would be twice as much as this.
	require.Less(t, grown, uint64(n*size/2), "of the heap")

	got := told(t, stalled, "end") // what was on its way
	arrived := len(got)
	back := s.dial(t)
	back.shake(t, s.handshake(s.token("mallory"), "?cursor="+stalled.cursor))
	require.Equal(t, "welcome", back.next(t))
	got = append(got, told(t, back, "live")...)
	require.Equal(t, all, got, "everything, once and in order")
	s.hears(t)
	figure(t, fmt.Sprintf("a reader that stops reading, %d notifications of 4 KiB to it", n),
		"closed with 4408; the heap grew by %.1f MiB at most, of %.0f MiB told; %d had arrived, the other %d came after it was back with its cursor",
		mebibytes(grown), float64(n)*size/(1<<20), arrived, len(got)-arrived)
}

// stalled connects a user through a socket that takes little, and reads no more
// than that the past is over.
func (s *service) stalled(t *testing.T, user string) *socket {
	t.Helper()
	dialer := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) (err error) {
		controlled := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		})
		return errors.Join(err, controlled)
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", s.public)
	require.NoError(t, err)
	c := open(t, conn)
	c.shake(t, s.handshake(s.token(user), ""))
	require.Equal(t, "welcome", c.next(t))
	require.Equal(t, "live", c.next(t))
	return c
}

// told reads notifications until last comes.
func told(t *testing.T, c *socket, last string) (got []string) {
	t.Helper()
	for {
		switch word := c.next(t); {
		case word == last:
			return got
		case strings.HasPrefix(word, "notification "):
			got = append(got, word)
		case !strings.HasPrefix(word, "close"):
			t.Fatal("comes between: " + word)
		}
	}
}
