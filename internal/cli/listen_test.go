package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/bellhop/bellhop/internal/cli"
)

// visit is what a service does to the connection of a listener: it refuses it,
// or sends its frames and closes.
type visit struct {
	status int // not 0: refused
	frames []string
	code   websocket.StatusCode
	reason string
	lost   bool // ended without a close frame
}

// sockets is a service that treats each connection as the next visit says, and
// the last visit again and again.
type sockets struct {
	*httptest.Server

	mu     sync.Mutex
	visits []visit
	asked  []string // cursors
}

func listenTo(t *testing.T, visits ...visit) *sockets {
	t.Helper()
	s := &sockets{visits: visits}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *sockets) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	v := s.visits[0]
	if len(s.visits) > 1 {
		s.visits = s.visits[1:]
	}
	s.asked = append(s.asked, r.URL.Path+"?"+r.URL.Query().Get("cursor"))
	s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer tok.e.n" {
		v.status = http.StatusUnauthorized
	}
	if v.status != 0 {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(v.status)
		_, _ = w.Write([]byte(`{"type":"urn:bellhop:problem:draining","detail":"not now"}`))
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"bellhop.v1"}})
	if err != nil {
		return
	}
	if v.lost {
		_ = c.CloseNow()
		return
	}
	for _, f := range v.frames {
		if c.Write(r.Context(), websocket.MessageText, []byte(f)) != nil {
			return
		}
	}
	if v.code == 0 { // stay
		_, _, _ = c.Read(r.Context())
		return
	}
	_ = c.Close(v.code, v.reason)
}

func (s *sockets) cursors() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, " ")
}

const (
	welcome = `{"event":"welcome","cursor":"c1","data":{"user":"ada"}}`
	first   = `{"event":"notification","cursor":"c2","data":{"id":"1","type":"greeting","title":"Hi\u001b[2J","body":"there","data":{"n":12345678901234567890},"time":"2026-12-01T09:00:00.000Z"}}`
	second  = `{"event":"notification","cursor":"c3","data":{"id":"2","type":"greeting","title":"Again","url":"/issues/42","actions":[{"title":"Re\u001bply","url":"/issues/42#reply"}],"time":"2026-12-01T09:00:01.000Z"}}`
	live    = `{"event":"live","data":{}}`
	unknown = `{"event":"weather","data":{"title":7}}`
)

func TestListenResumesFromItsCursor(t *testing.T) {
	s := listenTo(t,
		visit{status: http.StatusServiceUnavailable},
		visit{frames: []string{welcome, first, live}, code: 1012, reason: "restart window=0"},
		visit{frames: []string{unknown, second}, code: 4401, reason: "token-expired"},
	)
	got := bellhop(t, []string{"BELLHOP_TOKEN=tok.e.n"}, "listen", "--url", s.URL+"/bell", "--cursor", "earliest")
	got.want(t, 1, "connected as ada", `there  {"n":12345678901234567890}`, "503 draining: not now", "closed with 1012", "4401 token-expired")
	if want := "/bell/ws?earliest /bell/ws?earliest /bell/ws?c2"; s.cursors() != want {
		t.Errorf("asked for %s, want %s", s.cursors(), want)
	}
	if n := strings.Count(got.stdout, "\n"); n != 2 || !strings.Contains(got.stdout, "Again") {
		t.Errorf("printed %q, want two notifications", got.stdout)
	}
	if want := "Again  → /issues/42  [Re\ufffdply → /issues/42#reply]\n"; !strings.Contains(got.stdout, want) {
		t.Errorf("printed %q, want the url and the action", got.stdout)
	}
	if strings.ContainsRune(got.stdout, '\x1b') || strings.Contains(got.stdout+got.stderr, "tok.e.n") {
		t.Errorf("output %q %q", got.stdout, got.stderr)
	}
}

func TestListenPrintsReadStateChanges(t *testing.T) {
	s := listenTo(t, visit{frames: []string{
		`{"event":"live","cursor":"c1","data":{"unread_count":5}}`,
		`{"event":"inbox","cursor":"c2","data":{"read":["1","2"],"archived":["3"],"unread_count":2}}`,
		`{"event":"inbox","cursor":"c3","data":{"recalled":["4"],"unread":["5"]}}`,
		`{"event":"inbox","cursor":"c4","data":{"unread_count":7}}`,
	}, code: 4401, reason: "token-expired"})
	got := bellhop(t, nil, "listen", "--url", s.URL, "--token", "tok.e.n")
	got.want(t, 1, "inbox: 2 read, 1 archived, 2 unread in all\n", "inbox: 1 unread again, 1 recalled\n", "inbox: 7 unread in all\n")
	if got.stdout != "" {
		t.Errorf("printed %q as notifications", got.stdout)
	}
}

func TestListenDoesNotReconnectAfterFinalCloses(t *testing.T) {
	for code, again := range map[websocket.StatusCode]bool{
		1000: true, 1001: true, 1011: true, 1012: true, 1013: true, 4408: true, 4410: true, 4429: true, 4999: true,
		1002: false, 1003: false, 1007: false, 1008: false, 1009: false, 4401: false, 4403: false, 4409: false,
	} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			t.Parallel() // each waits a moment before it comes back
			s := listenTo(t, visit{frames: []string{welcome}, code: code}, visit{status: http.StatusForbidden})
			bellhop(t, nil, "listen", "--url", s.URL, "--token", "tok.e.n").want(t, 1)
			if came := s.cursors() == "/ws? /ws?c1"; came != again {
				t.Errorf("it came back: %v (%s)", came, s.cursors())
			}
		})
	}
}

// A service that is about to close says so in an event, which a proxy does not
// replace by a close frame of its own.
func TestListenPrefersTheCloseEvent(t *testing.T) {
	s := listenTo(t,
		visit{lost: true},
		visit{frames: []string{`{"event":"close","data":{"code":4401,"reason":"token-expired","reconnect":false}}`}, code: 1001},
	)
	bellhop(t, nil, "listen", "--url", s.URL, "--token", "tok.e.n").want(t, 1, "closed with 1006 lost", "closed with 4401 token-expired")
	if want := "/ws? /ws?"; s.cursors() != want {
		t.Errorf("asked for %s, want %s", s.cursors(), want)
	}
}

func TestListenRefused(t *testing.T) {
	s := listenTo(t, visit{})
	got := bellhop(t, nil, "listen", "--url", s.URL, "--token", "wrong")
	got.want(t, 1, "401")
	bellhop(t, nil, "listen", "--url", s.URL).want(t, 2, "no token: set --token or BELLHOP_TOKEN")
}

// writer cancels when a line with a mark has been printed.
type writer struct {
	strings.Builder
	mark   string
	cancel func()
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.Builder.Write(p)
	if strings.Contains(string(p), w.mark) {
		w.cancel()
	}
	return n, err
}

func TestListenEndsWhenInterrupted(t *testing.T) {
	s := listenTo(t, visit{frames: []string{welcome, first, live}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &writer{mark: `"live"`, cancel: cancel}
	var stderr strings.Builder
	if code := cli.Main(ctx, []string{"listen", "--url", s.URL, "--token", "tok.e.n", "--json"}, nil, out, &stderr); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("printed %q", out.String())
	}
	var f struct {
		Event, Cursor string
		Data          struct{ Data json.RawMessage }
	}
	if err := json.Unmarshal([]byte(lines[1]), &f); err != nil || f.Event != "notification" || f.Cursor != "c2" ||
		string(f.Data.Data) != `{"n":12345678901234567890}` {
		t.Errorf("printed %s (%v)", lines[1], err)
	}
}
