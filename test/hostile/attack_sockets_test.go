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

// Many sockets from one address, all with valid tokens, use little memory, do not keep
// others from connecting, and leave no goroutine behind.
func TestAttackManySockets(t *testing.T) {
	n := scale(2_000, 200)
	limit := n / 2
	s := start(t, func(c *config.Config) {
		c.TrustedProxies = []netip.Prefix{} // without proxies, the peer's own address counts
		c.ConnectionsPerAddress = limit + 1 // one more for the control client
	})
	before, goroutines := heap(), runtime.NumGoroutine()
	began := time.Now()
	var open []*socket
	refused := 0
	for i := range n {
		c := s.dial(t)
		c.put(s.handshake(s.token(fmt.Sprint("mallory-", i/s.cfg.ConnectionsPerUser)), ""))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(timeout)))
		resp, err := http.ReadResponse(c.r, nil)
		require.NoError(t, err)
		switch word := statusWords(t, resp); word {
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
	s.notifyControl(t)
	after, more := heap(), runtime.NumGoroutine()-goroutines
	for _, c := range open {
		c.Close()
	}
	s.undisturbed(t)
	figure(t, fmt.Sprintf("%d sockets from one address", n),
		"%d accepted, %d refused with 429, in %.1f s; %.1f KiB of heap and %.2f goroutines each, for both ends",
		len(open), refused, took.Seconds(), (mebibytes(after)-mebibytes(before))*1024/float64(limit), float64(more)/float64(limit))
}
