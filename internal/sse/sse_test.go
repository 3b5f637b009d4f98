package sse_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRules stands in for package service, without a history.
type fakeRules struct {
	hub *hub.Hub

	mu      sync.Mutex
	cursors []string // that clients came with
}

func (d *fakeRules) Join(_ context.Context, c *hub.Conn, cursor string, welcomed func()) (live bool) {
	d.mu.Lock()
	d.cursors = append(d.cursors, cursor)
	d.mu.Unlock()
	if cursor == "broken" {
		c.End(notify.CloseInternal)
		return false
	}
	if c.Write(event(1, hub.Welcome{User: c.Principal().User})) != nil {
		return false
	}
	welcomed()
	return d.hub.GoLive(c, 1, event(1, hub.Live{}))
}

func event(seq notify.Sequence, content hub.Content) *hub.Event {
	return &hub.Event{Sequence: seq, Content: content}
}

// plain is version 1 of the protocol, but for the data of some events, which is what
// the test says.
type plain struct{ bellhop.Stream }

func (p plain) Accept(r *http.Request) (protocol.Opening, error) {
	o, err := p.Stream.Accept(r)
	o.Session = p
	return o, err
}

func (p plain) AppendEvent(dst []byte, e *hub.Event, user cursor.Tag) []byte {
	name, data := "notification", ""
	switch c := e.Content.(type) {
	case hub.Welcome:
		name, data = "welcome", `{"user":"`+string(c.User)+`"}`
	case hub.Live:
		name, data = "live", "{}"
	case hub.Notification:
		data = string(c.Content)
	}
	if e.Sequence != 0 {
		dst = append(cursors{}.Append(append(dst, "id: "...), user, e.Sequence), '\n')
	}
	return append(dst, "event: "+name+"\ndata: "+data+"\n\n"...)
}

// cursors are numbers after a c.
type cursors struct{}

func (cursors) Append(dst []byte, _ cursor.Tag, seq notify.Sequence) []byte {
	return strconv.AppendUint(append(dst, 'c'), uint64(seq), 10)
}

// service serves event streams to ada until the test ends.
type fakeService struct {
	hub    *hub.Hub
	rules  *fakeRules
	url    string
	client *http.Client
}

func start(t *testing.T, o hub.Options) *fakeService {
	t.Helper()
	return startOn(t, o, nil)
}

// startOn starts a service on a network; nil: that of the machine.
func startOn(t *testing.T, o hub.Options, network *pipes) *fakeService {
	t.Helper()
	h := hub.New(o)
	s := &fakeService{hub: h, rules: &fakeRules{hub: h}}
	streams := sse.New(sse.Options{Protocol: plain{bellhop.Stream{Protocol: bellhop.New(bellhop.Options{Cursors: cursors{}})}}, Service: s.rules, Hub: h})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("none") {
			p := notify.Principal{User: "ada", Name: "user:ada", Expires: time.Now().Add(time.Hour)}
			r = r.WithContext(auth.WithPrincipal(r.Context(), p))
		}
		streams.ServeHTTP(w, r)
	}))
	srv.Config.ReadHeaderTimeout, srv.Config.IdleTimeout = time.Minute, time.Minute // on a busy machine too
	srv.Config.ReadTimeout = 100 * time.Millisecond                                 // which must not end a stream, nor must this
	srv.Config.WriteTimeout = 100 * time.Millisecond
	srv.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
			_ = tcp.SetWriteBuffer(4 << 10) // so that a peer which does not read soon stalls it
		}
	}
	s.client = &http.Client{Transport: &http.Transport{}}
	if network != nil {
		srv.Listener.Close()
		srv.Listener, s.client.Transport = network, &http.Transport{DialContext: network.dial}
	}
	srv.Start()
	s.url = srv.URL
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() {
		h.Drain(context.Background(), 0)
		srv.Close()
		stop()
		running.Wait()
		s.client.CloseIdleConnections()
	})
	return s
}

// listener is a client, line by line.
type listener struct {
	t     *testing.T
	lines *bufio.Scanner
	body  io.Closer
}

func (s *fakeService) listen(t *testing.T, query, lastEventID string) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events"+query, nil)
	require.NoError(t, err)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	answer, err := s.client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	assert.Equal(t, "no-store, no-transform", answer.Header.Get("Cache-Control"))
	assert.Equal(t, "no", answer.Header.Get("X-Accel-Buffering"))
	return &listener{t: t, lines: bufio.NewScanner(answer.Body), body: answer.Body}
}

// event returns the next event as its lines, joined by "|".
func (l *listener) event() string {
	l.t.Helper()
	var lines []string
	for l.lines.Scan() {
		if l.lines.Text() == "" {
			return strings.Join(lines, "|")
		}
		lines = append(lines, l.lines.Text())
	}
	l.t.Fatalf("the stream ended within an event: %v, %v", lines, l.lines.Err())
	return ""
}

const (
	welcome = `id: c1|event: welcome|data: {"user":"ada"}`
	live    = `id: c1|event: live|data: {}`
)

func (s *fakeService) deliver(seq notify.Sequence, data string) {
	s.hub.Deliver(notify.Readers{Users: []notify.UserID{"ada"}}, time.Time{}, event(seq, hub.Notification{Notification: &notify.Notification{Content: []byte(data)}}))
}

func TestAStreamReceivesTheEventsOfASocket(t *testing.T) {
	s := start(t, hub.Options{})
	l := s.listen(t, "", "")
	assert.Equal(t, welcome, l.event())
	assert.Equal(t, live, l.event())
	s.deliver(2, `{"id":"two"}`)
	s.deliver(0, `{"id":"ephemeral"}`)
	assert.Equal(t, `id: c2|event: notification|data: {"id":"two"}`, l.event())
	assert.Equal(t, `event: notification|data: {"id":"ephemeral"}`, l.event(), "the last id stays")
	assert.Equal(t, "events", s.hub.Connections("ada")[0].Transport)
}

func TestWhereAStreamStarts(t *testing.T) {
	s := start(t, hub.Options{})
	s.listen(t, "?cursor=q", "").event()
	s.listen(t, "?cursor=q", "header").event()
	s.listen(t, "", "header").event()
	assert.Equal(t, []string{"q", "header", "header"}, s.rules.cursors)
}

func TestAHeartbeatIsAComment(t *testing.T) {
	s := start(t, hub.Options{PingEvery: time.Second, Silence: 3 * time.Second})
	l := s.listen(t, "", "")
	assert.Equal(t, welcome, l.event())
	assert.Equal(t, live, l.event())
	for range 4 { // past Silence: that a comment is taken counts as a sign of life
		assert.Equal(t, ": ping", l.event())
	}
}

func TestADrainSendsTheReconnectDelay(t *testing.T) {
	s := start(t, hub.Options{})
	l := s.listen(t, "", "")
	l.event()
	l.event()
	ctx, now := context.WithCancel(t.Context())
	now()
	s.hub.Drain(ctx, 20*time.Second)
	retry, event, _ := strings.Cut(l.event(), "|")
	millis, err := strconv.Atoi(strings.TrimPrefix(retry, "retry: "))
	require.NoError(t, err)
	assert.Less(t, millis, 20_000)
	assert.Equal(t, `event: close|data: {"code":1012,"reason":"restart window=20","reconnect":true,"after":20}`, event)
	assert.False(t, l.lines.Scan(), "that was the end")
	assert.NoError(t, l.lines.Err(), "a whole one")

	late := s.listen(t, "", "")
	assert.Contains(t, late.event(), "event: close")
}

func TestAClosedStreamIsRemoved(t *testing.T) {
	s := start(t, hub.Options{})
	l := s.listen(t, "", "")
	l.event()
	l.event()
	l.body.Close()
	assert.Eventually(t, func() bool { return s.hub.Count() == 0 }, 10*time.Second, time.Millisecond)
}

func TestASlowPeerIsDisconnected(t *testing.T) {
	s := start(t, hub.Options{QueueLen: 8})
	l := s.listen(t, "", "")
	l.event()
	l.event()
	text := `"` + strings.Repeat("x", 60_000) + `"`
	for seq := notify.Sequence(2); s.hub.Count() > 0; seq++ {
		require.Less(t, seq, notify.Sequence(10_000), "memory is bounded")
		s.deliver(seq, text)
	}
}

func TestAFailedJoinEndsTheStream(t *testing.T) {
	s := start(t, hub.Options{})
	l := s.listen(t, "?cursor=broken", "")
	assert.Contains(t, l.event(), `event: close|data: {"code":1011`)
	assert.False(t, l.lines.Scan())
}

func TestARequestWithoutAPrincipalIsAnsweredWithAProblem(t *testing.T) {
	s := start(t, hub.Options{})
	answer, err := s.client.Get(s.url + "/events?none")
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	assert.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
	assert.Equal(t, "Bearer", answer.Header.Get("WWW-Authenticate"))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), `"urn:bellhop:problem:unauthenticated"`)
}

// A burst does not end the connection of a client that reads. No time passes in the bubble while
// a goroutine can run, so that a busy machine cannot make the client look slow.
func TestABurstDoesNotEndAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startOn(t, hub.Options{QueueLen: 8}, newPipes())
		l := s.listen(t, "", "")
		l.event()
		l.event()
		const many = 1000
		var delivering sync.WaitGroup
		defer delivering.Wait()
		delivering.Go(func() {
			for seq := range notify.Sequence(many) {
				s.deliver(seq+2, `{"id":"x"}`)
			}
		})
		for seq := range many {
			assert.Contains(t, l.event(), "id: c"+strconv.Itoa(seq+2)+"|")
		}
	})
}
