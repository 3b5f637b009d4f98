//go:build linux

package guide

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// storeOverhead fills a store with the idempotency keys of one publisher. The commands of the guide name the
// content and the publisher, before and after publishes with keys are refused, and a larger limit ends that.
func storeOverhead(t *testing.T, c chapter) {
	m := newMachine(t, "store_max_bytes: 4MB")
	m.set("LIMIT=40MB")
	m.start()
	backend, other := token(t, "backend", notify.ScopePublish), token(t, "other", notify.ScopePublish)
	batch := `{"notifications":[` + strings.Repeat(draft+",", 999) + draft + `]}` //nolint:mnd // the most
	full := func(n int) bool {
		status, answer := m.post("/notify/batch", batch, "Authorization", "Bearer "+backend, "Idempotency-Key", fmt.Sprint("batch ", n))
		require.Equal(t, http.StatusAccepted, status, answer)
		return strings.Contains(answer, "have taken half of the store")
	}
	batches := 0
	for ; batches < 11; batches++ { // about 42 %
		require.False(t, full(batches))
	}
	require.Regexp(t, `(?s)^bellhop_store_limit_bytes 4000000 .*content="notifications"} .*content="idempotency-keys"} 1[67]\d\d\d\d\d \(`, m.run(c.next()))

	search := make(chan string, 1)
	b := c.next()
	go func() {
		out, err := m.bash(m.home, "set -o pipefail\n"+b.text)
		search <- fmt.Sprint(out, err)
	}()
	found := ""
	for n := 0; found == ""; n++ {
		m.post("/notify", draft, "Authorization", "Bearer "+backend, "Idempotency-Key", fmt.Sprint("key ", n))
		m.withToken(other)
		select {
		case found = <-search:
		case <-time.After(20 * time.Millisecond): // a few dozen in a second
		}
	}
	require.Regexp(t, `\n\d+ user:backend\n<nil>$`, found)
	require.NotContains(t, found, "user:other", "it sends no keys")

	for !full(batches) {
		batches++
	}
	m.waitFor("journalctl -u bellhop", "have taken half of the store")
	require.Regexp(t, `(?s)cause="store-full".*\d "principal":"user:backend"\n`, m.run(c.next()))
	m.run(c.next())
	require.False(t, full(batches+1))
}
