package ws_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/ws"
)

func dial(t *testing.T, s *fakeService, cursor string) *ws.Client {
	t.Helper()
	c, err := ws.Dial(t.Context(), s.listen(t)+"/ws", "the-token", cursor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func next(t *testing.T, c *ws.Client) ws.Message {
	t.Helper()
	m, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestClientReads(t *testing.T) {
	s := start(t)
	c := dial(t, s, "c7")
	if m := next(t, c); m.Event != "welcome" || m.Cursor != "c1" || string(m.Data) != `{"user":"ada"}` {
		t.Errorf("%+v", m)
	}
	if m := next(t, c); m.Event != "live" {
		t.Errorf("%+v", m)
	}
	if got := s.desk.cursors; got[0] != "c7" {
		t.Errorf("came with %q", got)
	}
	s.hub.Deliver(broadcast, time.Time{}, &hub.Frame{Event: "notification", Sequence: 2, Data: []byte(`{"id":"x"}`)})
	if m := next(t, c); m.Event != "notification" || m.Cursor != "c2" {
		t.Errorf("%+v", m)
	}

	go s.hub.Drain(context.Background(), 0)
	if m := next(t, c); m.Event != "close" {
		t.Errorf("%+v", m)
	}
	var closed *ws.CloseError
	if _, err := c.Next(t.Context()); !errors.As(err, &closed) || closed.Close != notify.CloseRestart(0) {
		t.Errorf("ended with %v", err)
	}
}

func TestClientStopsWithItsContext(t *testing.T) {
	c := dial(t, start(t), "")
	next(t, c)
	next(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, err := c.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestClientLosesItsConnection(t *testing.T) {
	s := start(t)
	conn := make(chan *hub.Conn, 1)
	s.desk.past = func(c *hub.Conn) error { conn <- c; return nil }
	c := dial(t, s, "")
	next(t, c)
	next(t, c)
	(<-conn).End(notify.CloseLost)
	var closed *ws.CloseError
	if _, err := c.Next(t.Context()); !errors.As(err, &closed) || closed.Close != notify.CloseLost {
		t.Errorf("ended with %v", err)
	}
}

func TestClientIsRefused(t *testing.T) {
	s := start(t)
	_, err := ws.Dial(t.Context(), s.listen(t)+"/ws?as=nobody", "the-token", "")
	var refused *ws.HandshakeError
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized ||
		!strings.Contains(refused.Error(), "A token is required") || strings.Contains(refused.Error(), "the-token") {
		t.Errorf("refused with %v", err)
	}
}

func TestClientSendsItsToken(t *testing.T) {
	got := make(chan http.Header, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		w.WriteHeader(http.StatusTeapot)
	}))
	defer srv.Close()
	_, err := ws.Dial(t.Context(), srv.URL, "the-token", "")
	var refused *ws.HandshakeError
	if !errors.As(err, &refused) || refused.Status != http.StatusTeapot {
		t.Errorf("refused with %v", err)
	}
	if h := <-got; h.Get("Authorization") != "Bearer the-token" {
		t.Errorf("sent %v", h)
	}
	if _, err := ws.Dial(t.Context(), "http://127.0.0.1:1", "the-token", ""); err == nil {
		t.Errorf("connected to nobody: %v", err)
	}
}
