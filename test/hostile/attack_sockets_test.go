package hostile

import (
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// Many sockets from one address, all with good tokens, take little memory and
// nobody's place, and leave nothing behind.
func TestAttackManySockets(t *testing.T) {
	n := might(2_000, 200)
	limit := n / 2
	s := start(t, func(c *config.Config) {
		c.TrustedProxies = []netip.Prefix{} // none: the peer's own address counts
		c.ConnectionsPerAddress = limit + 1 // and the control client's
	})
	before, goroutines := heap(), runtime.NumGoroutine()
	began := time.Now()
	var open []*socket
	refused := 0
	for i := range n {
		c := s.dial(t)
		c.put(s.handshake(s.token(fmt.Sprint("mallory-", i/s.cfg.ConnectionsPerUser)), ""))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		resp, err := http.ReadResponse(c.r, nil)
		require.NoError(t, err)
		switch word := said(t, resp); word {
		case "101":
			require.Equal(t, "welcome", c.next(t))
			require.Equal(t, "live", c.next(t))
			open = append(open, c)
		default:
			require.Equal(t, "429 limit", word)
			refused++
			c.Close()
		}
	}
	took := time.Since(began)
	require.Len(t, open, limit)
	require.Equal(t, n-limit, refused)
	s.hears(t)
	after, more := heap(), runtime.NumGoroutine()-goroutines
	for _, c := range open {
		c.Close()
	}
	s.unharmed(t)
	figure(t, fmt.Sprintf("%d sockets from one address", n),
		"%d taken, %d told 429, in %.1f s; %.1f KiB of heap and %.2f goroutines each, both ends",
		len(open), refused, took.Seconds(), (mebibytes(after)-mebibytes(before))*1024/float64(limit), float64(more)/float64(limit))
}
