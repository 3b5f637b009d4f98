package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// history is what a connection receives before the live event.
type history struct {
	titles  []string
	cursors []string // of the notifications
	reset   string   // the reason of a reset event, empty without one
}

// history connects a user from a cursor, reads until the live event and disconnects.
func (s *service) history(user, cursor string) history {
	s.t.Helper()
	c := s.connect(user, cursor)
	defer c.drop()
	return c.history()
}

func (c *connection) history() (p history) {
	c.s.t.Helper()
	for {
		switch f := c.read(); f.Event {
		case "reset":
			p.reset = f.text("reason")
		case "notification":
			p.titles = append(p.titles, f.text("title"))
			p.cursors = append(p.cursors, f.Cursor)
		case "live":
			return p
		}
	}
}

// draftOfSize returns a request body for POST /notify whose data has a size in bytes.
func draftOfSize(t *testing.T, title string, bytes int, users ...string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"to": map[string]any{"users": users}, "type": "test", "title": title,
		"data": map[string]any{"x": strings.Repeat("x", bytes-len(`{"x":""}`))},
	})
	require.NoError(t, err)
	return string(b)
}

// The store may hold ten notifications. Thirty are published, so the oldest are
// evicted. A reset is sent only to the connections that miss some of them.
func TestRetentionBySize(t *testing.T) {
	const each, capacity = 15_000, 10
	s := start(t, func(c *config.Config) { c.MaxBytes = capacity*each + each/2 })
	before, ofGrace := s.live("ada").cursor, s.live("grace").cursor
	var all []string
	for i := range 30 {
		title := fmt.Sprint(i)
		a := s.post("/notify", draftOfSize(t, title, each, "ada"))
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		all = append(all, title)
	}
	require.Eventually(t, func() bool {
		return len(s.history("ada", "earliest").titles) <= capacity
	}, timeout, 100*time.Millisecond, "nothing is evicted")

	newest := all[len(all)-capacity:]
	kept := s.history("ada", "earliest")
	assert.Equal(t, newest, kept.titles)
	assert.Empty(t, kept.reset, "earliest means the oldest stored notification, so nothing is missing")
	require.Len(t, kept.cursors, capacity)

	old := s.history("ada", before)
	assert.Equal(t, "truncated", old.reset)
	assert.Equal(t, newest, old.titles)
	young := s.history("ada", kept.cursors[0])
	assert.Empty(t, young.reset, "nothing after this cursor was evicted")
	assert.Equal(t, newest[1:], young.titles)
	assert.Empty(t, s.history("grace", ofGrace).reset, "no notification to grace was evicted")
}

func TestRetentionByAge(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Retention = 2 * time.Second })
	ada, grace := s.live("ada"), s.live("grace")
	before, ofGrace := ada.cursor, grace.cursor
	s.publish("old", "ada")
	ada.expect("old")
	require.Eventually(t, func() bool {
		return len(s.history("ada", "earliest").titles) == 0
	}, timeout, 100*time.Millisecond, "it does not expire")

	for range 2 { // the second time after a restart
		lost := s.history("ada", before)
		assert.Equal(t, "truncated", lost.reset)
		assert.Empty(t, lost.titles)
		assert.Empty(t, s.history("ada", "earliest").reset)
		assert.Empty(t, s.history("ada", ada.cursor).reset, "ada had received it")
		assert.Empty(t, s.history("grace", ofGrace).reset, "it was not addressed to grace")
		s.restart()
	}
}

// Idempotency keys count towards the size limit of the store. When they use half of
// it, publishing with a new key is refused. Publishing without a key goes on.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	s := start(t, func(c *config.Config) { c.MaxBytes = 10_000 })
	keyed := func(key string) response {
		return s.post("/notify", draft(t, key, "ada"), "Idempotency-Key", key)
	}
	require.Equal(t, http.StatusAccepted, keyed("first").StatusCode)
	refused := response{}
	for i := 0; refused.Response == nil; i++ {
		require.Less(t, i, 1_000, "idempotency keys are not limited")
		if a := keyed(fmt.Sprint(i)); a.StatusCode != http.StatusAccepted {
			refused = a
		}
	}
	assert.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	assert.Equal(t, "unavailable", refused.problem(t))
	assert.Contains(t, refused.json(t)["detail"], "idempotency keys")
	assert.NotEmpty(t, refused.Header.Get("Retry-After"))
	assert.Equal(t, true, keyed("first").json(t)["duplicate"], "a retry is still answered")
	assert.Equal(t, http.StatusAccepted, s.post("/notify", draft(t, "without a key", "ada")).StatusCode)
	later := strings.Replace(draft(t, "later", "ada"), "{", `{"deliver_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`",`, 1)
	assert.Equal(t, http.StatusServiceUnavailable, s.post("/notify", later).StatusCode)
}
