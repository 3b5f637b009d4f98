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

// A client that does not read is disconnected when its queue is full. Another
// connection of the same user that reads receives everything. The slow client loses
// nothing: it resumes with its cursor.
func TestSlowReader(t *testing.T) {
	const most, batch, size = 10_000, 16, 16 << 10 // a batch is a quarter of what a queue holds
	s := start(t, func(c *config.Config) { c.PerUser = most })
	slow, quick := s.live("ada"), s.live("ada")
	var all []string
	tooSlow := func() bool {
		return s.metric(`bellhop_connections_closed_total{code="4408",reason="too-slow"}`) == 1
	}
	for !tooSlow() { // the kernel's socket buffers hold some MB, too
		require.Less(t, len(all), most, "a client that does not read is not disconnected: %s", s.metrics())
		items := make([]string, batch)
		for i := range items {
			title := fmt.Sprint(len(all))
			items[i] = draftOfSize(t, title, size, "ada")
			all = append(all, title)
		}
		a := s.post("/notify/batch", `{"notifications":[`+strings.Join(items, ",")+`]}`)
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		require.EqualValues(t, 0, a.json(t)["failed"])
		quick.expect(all[len(all)-batch:]...)
	}

	var got []string // read from the socket buffers, after the disconnect
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
	rest := s.history("ada", slow.cursor)
	assert.Empty(t, rest.reset)
	require.Equal(t, all, append(got, rest.titles...), "the slow client receives everything once and in order")
	t.Logf("of %d notifications %d arrived before the disconnect, %d after resuming", len(all), arrived, len(rest.titles))
	quick.send(`{"event":"ping","ref":"7"}`)
	assert.Equal(t, "7", quick.read().Ref)
}
