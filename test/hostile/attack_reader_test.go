package hostile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/slow"
)

// A client stops reading while more is published to it than its queue can hold. The
// service closes the connection with 4408 and frees its queue. The client loses
// nothing: it resumes from the store with its cursor.
func TestAttackStalledReader(t *testing.T) {
	n := scale(10_000, 3_000)
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
			s.notifyControl(t)
		}
	}
	require.Contains(t, s.metrics(t), `bellhop_connections_closed_total{code="4408",reason="too-slow"} 1`)
	grown := max(most, before) - before
	// A queue holds 1 MiB. All the published notifications are twice as large as this limit.
	require.Less(t, grown, uint64(n*size/2), "the heap has grown too much")

	got := notifications(t, stalled, "end") // read from the socket buffers
	arrived := len(got)
	resumed := s.dial(t)
	resumed.upgrade(t, s.handshake(s.token("mallory"), "?cursor="+stalled.cursor))
	require.Equal(t, "welcome", resumed.next(t))
	got = append(got, notifications(t, resumed, "live")...)
	require.Equal(t, all, got, "the client must receive everything once and in order")
	s.notifyControl(t)
	figure(t, fmt.Sprintf("a reader that stops reading, %d notifications of 4 KiB to it", n),
		"closed with 4408; the heap grew by at most %.1f MiB of the %.0f MiB published; %d notifications arrived before the close, the other %d after resuming with the cursor",
		mebibytes(grown), float64(n)*size/(1<<20), arrived, len(got)-arrived)
}

// stalled connects a user through a socket with a small receive buffer, and reads only up
// to the live event.
func (s *service) stalled(t *testing.T, user string) *socket {
	t.Helper()
	conn, err := slow.Receiver(4<<10, 0).DialContext(t.Context(), "tcp", s.public)
	require.NoError(t, err)
	c := open(t, conn)
	c.upgrade(t, s.handshake(s.token(user), ""))
	require.Equal(t, "welcome", c.next(t))
	require.Equal(t, "live", c.next(t))
	return c
}

// notifications reads notifications until the event last.
func notifications(t *testing.T, c *socket, last string) (got []string) {
	t.Helper()
	for {
		switch word := c.next(t); {
		case word == last:
			return got
		case strings.HasPrefix(word, "notification "):
			got = append(got, word)
		case !strings.HasPrefix(word, "close"):
			t.Fatal("unexpected event: " + word)
		}
	}
}
