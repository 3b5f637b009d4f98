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

// past is what a connection is told before it is live.
type past struct {
	titles  []string
	cursors []string // of the notifications
	reset   string   // the reason; empty: there was none
}

// past connects a user from a cursor, reads until the past is over and leaves.
func (s *service) past(user, cursor string) past {
	s.t.Helper()
	c := s.connect(user, cursor)
	defer c.drop()
	return c.past()
}

func (c *connection) past() (p past) {
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

// heavy returns a body of POST /notify whose data has so many bytes.
func heavy(t *testing.T, title string, bytes int, users ...string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"to": map[string]any{"users": users}, "type": "test", "title": title,
		"data": map[string]any{"x": strings.Repeat("x", bytes-len(`{"x":""}`))},
	})
	require.NoError(t, err)
	return string(b)
}

// What is kept has room for ten; of thirty the oldest go. A hole is announced,
// to those alone who have one.
func TestRetentionBySize(t *testing.T) {
	const each, room = 15_000, 10
	s := start(t, func(c *config.Config) { c.MaxBytes = room*each + each/2 })
	before, aside := s.live("ada").cursor, s.live("grace").cursor
	var all []string
	for i := range 30 {
		title := fmt.Sprint(i)
		a := s.post("/notify", heavy(t, title, each, "ada"))
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		all = append(all, title)
	}
	require.Eventually(t, func() bool {
		return len(s.past("ada", "earliest").titles) <= room
	}, patience, 100*time.Millisecond, "nothing goes")

	newest := all[len(all)-room:]
	kept := s.past("ada", "earliest")
	assert.Equal(t, newest, kept.titles)
	assert.Empty(t, kept.reset, "earliest asks for no more than there is")
	require.Len(t, kept.cursors, room)

	old := s.past("ada", before)
	assert.Equal(t, "truncated", old.reset)
	assert.Equal(t, newest, old.titles)
	young := s.past("ada", kept.cursors[0])
	assert.Empty(t, young.reset, "nothing after it is gone")
	assert.Equal(t, newest[1:], young.titles)
	assert.Empty(t, s.past("grace", aside).reset, "hers are all there: none")
}

func TestRetentionByAge(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Retention = 2 * time.Second })
	ada, grace := s.live("ada"), s.live("grace")
	before, aside := ada.cursor, grace.cursor
	s.publish("old", "ada")
	ada.expect("old")
	require.Eventually(t, func() bool {
		return len(s.past("ada", "earliest").titles) == 0
	}, patience, 100*time.Millisecond, "it stays")

	for range 2 { // the second time after a restart
		lost := s.past("ada", before)
		assert.Equal(t, "truncated", lost.reset)
		assert.Empty(t, lost.titles)
		assert.Empty(t, s.past("ada", "earliest").reset)
		assert.Empty(t, s.past("ada", ada.cursor).reset, "she had been told")
		assert.Empty(t, s.past("grace", aside).reset, "it was not for her")
		s.restart()
	}
}

// Idempotency keys count towards the limit on the store. When they have taken half
// of it, a publish with another key is refused, and all others go on.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	s := start(t, func(c *config.Config) { c.MaxBytes = 10_000 })
	keyed := func(key string) answer {
		return s.post("/notify", draft(t, key, "ada"), "Idempotency-Key", key)
	}
	require.Equal(t, http.StatusAccepted, keyed("first").StatusCode)
	refused := answer{}
	for i := 0; refused.Response == nil; i++ {
		require.Less(t, i, 1_000, "keys are without bound")
		if a := keyed(fmt.Sprint(i)); a.StatusCode != http.StatusAccepted {
			refused = a
		}
	}
	assert.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	assert.Equal(t, "unavailable", refused.problem(t))
	assert.Contains(t, refused.json(t)["detail"], "idempotency keys")
	assert.NotEmpty(t, refused.Header.Get("Retry-After"))
	assert.Equal(t, true, keyed("first").json(t)["duplicate"], "a retry is answered")
	assert.Equal(t, http.StatusAccepted, s.post("/notify", draft(t, "without a key", "ada")).StatusCode)
	later := strings.Replace(draft(t, "later", "ada"), "{", `{"deliver_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`",`, 1)
	assert.Equal(t, http.StatusServiceUnavailable, s.post("/notify", later).StatusCode)
}
