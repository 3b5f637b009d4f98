package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// A client that does not read is let go when its queue is full, while another
// of its user that reads is told everything. It misses nothing: it comes back
// with its cursor for the rest.
func TestSlowReader(t *testing.T) {
	const most, batch, size = 10_000, 16, 16 << 10 // a batch is a quarter of what a queue holds
	s := start(t, func(c *config.Config) { c.PerUser = most })
	slow, quick := s.live("ada"), s.live("ada")
	var all []string
	tooSlow := func() bool {
		return strings.Contains(s.metrics(), `bellhop_connections_closed_total{code="4408",reason="too-slow"} 1`)
	}
	for !tooSlow() { // the network holds some MB, too
		require.Less(t, len(all), most, "a client that does not read is kept: %s", s.metrics())
		items := make([]string, batch)
		for i := range items {
			title := fmt.Sprint(len(all))
			items[i] = heavy(t, title, size, "ada")
			all = append(all, title)
		}
		a := s.post("/notify/batch", `{"notifications":[`+strings.Join(items, ",")+`]}`)
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		require.EqualValues(t, 0, a.json(t)["failed"])
		quick.expect(all[len(all)-batch:]...)
	}

	var got []string // of what was on its way, as much as arrived
	for {
		f, err := slow.tryRead()
		if err != nil {
			break
		}
		if f.Event == "notification" {
			got = append(got, f.text("title"))
		}
	}
	arrived := len(got)
	require.Less(t, arrived, len(all))
	rest := s.past("ada", slow.cursor)
	assert.Empty(t, rest.reset)
	require.Equal(t, all, append(got, rest.titles...), "everything, once and in order")
	t.Logf("of %d notifications %d arrived before the end, %d after it", len(all), arrived, len(rest.titles))
	quick.send(`{"event":"ping","ref":"7"}`)
	assert.Equal(t, "7", quick.read().Ref)
}
