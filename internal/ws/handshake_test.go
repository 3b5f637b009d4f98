package ws_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestRefusedHandshakes(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		change func(*http.Request)
		status int
		kind   string
	}{
		"no principal":         {"/ws?as=none", nil, 401, "unauthenticated"},
		"origin":               {"/ws", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "origin"},
		"no key":               {"/ws", func(r *http.Request) { r.Header.Del("Sec-Websocket-Key") }, 400, "malformed"},
		"nothing to take over": {"/ws", nil, 500, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			r := upgradeRequest(c.target)
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			s.as(w, r)
			var p struct {
				Type   string
				Status int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || p.Status != c.status || p.Type != "urn:bellhop:problem:"+c.kind {
				t.Errorf("answered %d %+v, want %d %s", w.Code, p, c.status, c.kind)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("the type is %s", got)
			}
		})
	}
}

func TestRefusedAfterWait(t *testing.T) {
	s := start(t)
	s.hub.Drain(t.Context(), 0)
	s.Wait()
	w := httptest.NewRecorder()
	s.as(w, upgradeRequest("/ws"))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
}

func TestSubprotocol(t *testing.T) {
	for name, c := range map[string]struct {
		offers []string
		want   string
	}{
		"none":             {nil, ""},
		"ours":             {[]string{"bellhop.v1"}, "bellhop.v1"},
		"with a token":     {[]string{"bellhop.v1", "bearer.abc"}, "bellhop.v1"},
		"among unknown":    {[]string{"bellhop.v2", "bellhop.v1"}, "bellhop.v1"},
		"after the bearer": {[]string{"bearer.abc", "bellhop.v1"}, "bellhop.v1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			c1, answer, err := websocket.Dial(t.Context(), s.listen(t), &websocket.DialOptions{Subprotocols: c.offers})
			if err != nil {
				t.Fatal(err)
			}
			defer c1.CloseNow()
			if got := answer.Header.Values("Sec-Websocket-Protocol"); c1.Subprotocol() != c.want || len(got) > 1 {
				t.Errorf("chose %q: %v", c1.Subprotocol(), got)
			}
			if answer.Header.Get("Sec-Websocket-Extensions") != "" {
				t.Error("an extension was agreed on")
			}
		})
	}
}

func TestCursorOfTheQuery(t *testing.T) {
	s := start(t)
	url := s.listen(t)
	for _, cursor := range []string{"", "earliest", "AbC_-9"} {
		c, _, err := websocket.Dial(t.Context(), url+"/ws?cursor="+cursor, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.rules.mu.Lock()
		if got := s.rules.cursors[len(s.rules.cursors)-1]; got != cursor {
			t.Errorf("came with %q, want %q", got, cursor)
		}
		s.rules.mu.Unlock()
		c.CloseNow()
	}
}

// An independent client, with deadlines left over by the HTTP server.
func TestAnotherClient(t *testing.T) {
	s := start(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(s.as))
	srv.Config.WriteTimeout, srv.Config.ReadTimeout = time.Second, time.Second
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c, _, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	read := func() string {
		kind, frame, err := c.Read(t.Context())
		if err != nil || kind != websocket.MessageText {
			t.Fatalf("%v, %v", kind, err)
		}
		return string(frame)
	}
	if got := read(); got != welcome {
		t.Error(got)
	}
	if got := read(); got != isLive {
		t.Error(got)
	}
	<-time.After(1100 * time.Millisecond) // those deadlines have passed
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"event":"ping","ref":"1"}`)); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != `{"event":"reply","ref":"1","data":{}}` {
		t.Error(got)
	}
	w, err := c.Writer(t.Context(), websocket.MessageText) // fragments
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"event":`, `"ping","ref":"2"}`} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != `{"event":"reply","ref":"2","data":{}}` {
		t.Error(got)
	}
	s.hub.Deliver(broadcast, time.Time{}, note(2, `{"id":"x"}`))
	if got := read(); got != `{"event":"notification","cursor":"c2","data":{"id":"x"}}` {
		t.Error(got)
	}
	if err := c.Close(websocket.StatusNormalClosure, "enough"); err != nil {
		t.Error(err)
	}
}
