//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/bellhop/bellhop/test/traffic"
)

// TestAllClientsReconnectAtOnce cuts all connections at the same moment, and all clients come
// back at the same moment, after each has missed 20 notifications. Promises 2 and 3: each gets
// these 20 once and in order. Meanwhile other users publish and listen.
func TestAllClientsReconnectAtOnce(t *testing.T) {
	const missed = 20
	clients := make([]*client, scale(10_000, 500))
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0", "BELLHOP_REQUESTS_PER_SECOND=0", "BELLHOP_BROADCASTS_PER_SECOND=0"}}
	p.start()
	l := p.load(traffic.Options{Prefix: "other", Users: 2, Between: 10 * time.Millisecond})
	users := make([]string, len(clients))
	ctx, cancel := context.WithTimeout(t.Context(), 2*timeout)
	defer cancel()
	var opening errgroup.Group
	opening.SetLimit(100)
	for i := range clients {
		users[i] = fmt.Sprint("client-", i)
		c := &client{p: p, token: token(t, users[i])}
		clients[i] = c
		opening.Go(func() error { return errors.Join(c.connect(ctx), c.until(ctx, "live")) })
	}
	require.NoError(t, opening.Wait())
	defer func() {
		for _, c := range clients {
			if c.stream != nil {
				c.stream.close()
			}
		}
	}()

	for _, c := range clients {
		require.NoError(t, c.cut())
	}
	p.waitForConnections(2)
	for n := range missed {
		for some := range slices.Chunk(users, 1_000) {
			p.publishTo(some, n, "")
		}
	}
	begun := time.Now()
	var returning errgroup.Group
	start := make(chan struct{})
	for _, c := range clients {
		returning.Go(func() error {
			<-start
			return c.catchUp(ctx, missed)
		})
	}
	close(start)
	require.NoError(t, returning.Wait())
	recovery := time.Since(begun)
	l.Grows(t)
	l.Stop()

	total := l.Compare()
	for _, c := range clients {
		add(&total, c.outcome(missed))
	}
	record(t, result{
		fault: fmt.Sprintf("%d connections cut and back at once", len(clients)), Outcome: total, recovery: recovery,
		load: fmt.Sprintf("%d missed by each; meanwhile 2 publishers and listeners", missed),
	})
}

// publishTo publishes number n with a filler to up to 1,000 users.
func (p *process) publishTo(users []string, n int, filler string) {
	p.t.Helper()
	body := fmt.Sprintf(`{"to":{"users":["%s"]},"type":"n","title":"%d","data":{"filler":%q}}`, strings.Join(users, `","`), n, filler)
	require.Equal(p.t, http.StatusAccepted, p.post(body).StatusCode)
}

// waitForConnections waits until at most n connections are open.
func (p *process) waitForConnections(n int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		resp, err := http.Get(p.admin + "/metrics")
		return metric(p.t, read(p.t, resp, err).body, `bellhop_connections{transport="websocket"}`) <= float64(n)
	}, 2*timeout, 20*time.Millisecond)
}
