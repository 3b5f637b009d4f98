package e2e

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/contract"
)

// listener is a client of the service: one event stream of a user.
type listener struct {
	t      *testing.T
	lines  *bufio.Scanner
	frames *contract.Frames
	drop   func()
}

// event is one event of an event stream.
type event struct{ id, event, data string }

// listen opens an event stream with a query, and with a token unless it is empty.
// Headers are given as name, value, name, value …
func (s *service) listen(query, token string, headers ...string) *listener {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url("/events"+query), nil)
	require.NoError(s.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(r)
	require.NoError(s.t, err)
	drop := func() { resp.Body.Close() }
	s.t.Cleanup(drop)
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	return &listener{s.t, bufio.NewScanner(resp.Body), frames(s.t), drop}
}

// next returns the next event and skips comments. At the end of the stream it
// returns the zero event.
func (l *listener) next() event {
	l.t.Helper()
	var e event
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data = value
		case "":
			if e.event != "" {
				l.frames.Streamed(e.event, e.data)
				return e
			}
		}
	}
	require.NoError(l.t, l.lines.Err())
	return event{}
}

// last reads to the end of the stream and returns its last event.
func (l *listener) last() (last event) {
	l.t.Helper()
	for e := l.next(); e != (event{}); e = l.next() {
		last = e
	}
	return last
}

func TestEventStreamResumesWithoutLoss(t *testing.T) {
	s := start(t)
	l := s.listen("", token(t, "ada"))
	assert.Equal(t, "welcome", l.next().event)
	assert.Equal(t, "live", l.next().event)
	s.publish("one", "ada")
	one := l.next()
	assert.Equal(t, "notification", one.event)
	assert.Contains(t, one.data, `"title":"one"`)
	l.drop()

	s.publish("two", "ada")
	again := s.listen("?cursor=earliest", token(t, "ada"), "Last-Event-ID", one.id)
	assert.Contains(t, again.next().data, `"resumed":true`)
	assert.Contains(t, again.next().data, `"title":"two"`)
	assert.Equal(t, "live", again.next().event)

	// A WebSocket can resume with the cursor of an event stream, because both
	// transports share one order.
	s.publish("three", "ada")
	three := again.next()
	s.publish("four", "ada")
	s.connect("ada", three.id).expect("four", "live")

	lost := s.listen("?cursor=none-of-ours", token(t, "ada"))
	lost.next()
	assert.Equal(t, `{"reason":"unknown"}`, lost.next().data, "a reset announces that events may be missing")
}
