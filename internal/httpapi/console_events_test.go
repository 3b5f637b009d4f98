package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

// fickle is a Verifier that accepts every token as an operator's until it fails.
type fickle struct {
	tokens

	mu  sync.Mutex
	err error
}

func (v *fickle) Verify(context.Context, string) (notify.Principal, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return notify.Principal{Name: "key:ops", Scopes: []notify.Scope{notify.ScopeAdmin}}, v.err
}

func (v *fickle) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

// consoleStream reads the events of a stream.
type consoleStream struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Scanner
}

func (s *consoleServer) stream(headers ...string) *consoleStream {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/console/events", http.NoBody)
	require.NoError(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(s.t, 200, resp.StatusCode)
	require.Equal(s.t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(s.t, "no-store, no-transform", resp.Header.Get("Cache-Control"))
	return &consoleStream{s.t, resp.Body, bufio.NewScanner(resp.Body)}
}

// next returns the next event, empty at the end.
func (c *consoleStream) next() (event, data string) {
	c.t.Helper()
	for c.in.Scan() {
		name, value, _ := strings.Cut(c.in.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data":
			data = value
		case c.in.Text() == "" && event != "":
			return event, data
		}
	}
	return "", ""
}

func (c *consoleStream) expect(event, data string) {
	c.t.Helper()
	name, got := c.next()
	require.Equal(c.t, event, name)
	require.Equal(c.t, data, got)
}

func TestTheStreamBeginsWithTheHistory(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal)
	s.feed.AddLine([]byte(`{"action":"recall"}`), true)
	c := s.stream()
	event, data := c.next()
	require.Equal(t, "hello", event)
	require.JSONEq(t, `{"node":"a","version":"v1","revision":"abc","started":"2023-11-14T22:13:20Z","interval":1,"local":true,
		"principal":"console","may":["notify:admin","notify:publish","notify:broadcast","notify:topics"]}`, data)
	event, data = c.next()
	require.Equal(t, "history", event)
	require.True(t, json.Valid([]byte(data)))
	c.expect("audit", `{"action":"recall"}`)
	s.feed.AddLine([]byte(`{"action":"erase"}`), true)
	sample := false
	for event != "audit" { // a sample may come before it
		if event, data = c.next(); event == "sample" {
			sample = true
			require.Equal(t, `{"n":1}`, data)
		}
	}
	require.Equal(t, `{"action":"erase"}`, data)
	if !sample {
		c.expect("sample", `{"n":1}`)
	}
	s.feed.End()
	event, _ = c.next()
	require.Empty(t, event)
}

func TestTheStreamOfATokenNamesItsScopes(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal)
	_, data := s.stream("Authorization", "Bearer admin").next()
	require.Contains(t, data, `"local":false,"principal":"user:root","may":["notify:admin"]}`)
}

// A stream that was opened with a token ends soon after the token is no longer accepted.
func TestTheStreamEndsWithItsToken(t *testing.T) {
	for _, err := range []error{
		notify.Errorf(notify.ErrTokenExpired, "it expired"),
		notify.Errorf(notify.ErrTokenRevoked, "it was revoked"),
		notify.Errorf(notify.ErrTokenInvalid, "the key was removed"),
	} {
		v := &fickle{}
		s := startConsole(t, httpapi.ConsoleOn, func(o *httpapi.Options) { o.Verifier = v })
		c := s.stream("Authorization", "Bearer any")
		event := ""
		for event != "sample" {
			event, _ = c.next()
		}
		v.fail(notify.Errorf(notify.ErrUnavailable, "the keys cannot be fetched"))
		s.feed.AddLine([]byte(`{}`), true)
		for event != "audit" {
			event, _ = c.next()
			require.NotEmpty(t, event, "keys that cannot be fetched end no stream")
		}
		v.fail(err)
		for event != "" { // it ends
			event, _ = c.next()
		}
	}
}

func TestThereAreAtMost32Streams(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal)
	first := s.stream()
	for range console.MaxWatchers - 1 {
		s.stream()
	}
	a := s.ask("GET", "/console/events", "")
	require.Equal(t, 503, a.StatusCode)
	require.NotEmpty(t, a.Header.Get("Retry-After"))
	require.NoError(t, first.body.Close())
	s.awaitPlace()
}
