// Package hostile knocks at the service as those do who mean it no good: with
// raw frames that no client library would write, with tokens, origins, heads
// and bodies that are nearly right, and with floods. It shows that each gets
// the status or the close code that the contract has for it, and that nobody
// else is harmed: after every case a control client is still told what is new,
// and what the case has started has ended.
package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

const secret = "a hostile secret of 32 bytes or more"

// patience is how long a test waits for what must come. It is no measure: only
// a test that fails takes so long.
const patience = 30 * time.Second

// slack is by how many goroutines the process may have grown since before the
// first case: the store compacts and the runtime has timers when they like. It
// is fixed, so a case that leaks one goroutine fails here if it comes up more
// often than this, and a table has more cases than this.
const slack = 10

// TestMain writes down what the attacks have measured.
func TestMain(m *testing.M) {
	runtime.MemProfileRate = 32 << 10 // for heap, which wants more samples
	code := m.Run()
	if err := writeFigures(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // what TestMain is for
}

// service is a bellhop in the test's own process, with its control client.
type service struct {
	t      *testing.T
	cfg    *config.Config
	public string // host:port
	admin  string
	client *http.Client // of the control client's publisher: one connection
	log    *record

	control *socket
	told    int // notifications of the control client
	base    int // goroutines when nothing happens
}

// start starts a service with the default settings but for what change says.
func start(t *testing.T, change ...func(*config.Config)) *service {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.DataDir = t.TempDir()
	cfg.DrainWindow = 0
	cfg.JWTSecret = []config.Secret{secret}
	for _, f := range change {
		f(cfg)
	}
	s := &service{
		t: t, cfg: cfg, log: &record{},
		client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience},
	}
	s.run()
	s.control = s.live(t, "control")
	s.unharmed(t) // its publisher's connection is open from now on
	s.base = runtime.NumGoroutine()
	return s
}

// run starts Run, and has the end of the test wait for its end.
func (s *service) run() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening := make(chan [2]net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, s.cfg, app.Options{
			Logger:    slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Listening: func(public, admin net.Addr) { listening <- [2]net.Addr{public, admin} },
		})
	}()
	select {
	case addrs := <-listening:
		s.public, s.admin = addrs[0].String(), addrs[1].String()
	case err := <-ended:
		s.t.Fatalf("the service did not start: %v", err)
	}
	s.t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cancel()
		require.NoError(s.t, <-ended)
	})
}

// record keeps what the service logs.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// token signs a token for a user.
func (s *service) token(user string, scopes ...notify.Scope) string {
	s.t.Helper()
	signed, err := auth.Sign([]byte(secret), auth.Claims{
		User: notify.UserID(user), Scopes: scopes, TTL: time.Hour,
		Issuer: s.cfg.JWTIssuer, Audience: s.cfg.JWTAudience,
	})
	require.NoError(s.t, err)
	return signed
}

// backend is the token of one who may publish to users.
func (s *service) backend() string { return s.token("backend", notify.ScopePublish) }

// unharmed holds that nobody but its sender has felt what was sent: the
// control client, which was connected before, is told something new, and every
// goroutine that served the sender has ended.
func (s *service) unharmed(t *testing.T) {
	t.Helper()
	s.hears(t)
	if s.base == 0 {
		return
	}
	if !assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= s.base+slack }, patience, time.Millisecond,
		"goroutines stay: there were %d", s.base) {
		s.base = runtime.NumGoroutine() // once told, for the next case is another's
	}
}

// hears publishes to the control client and waits until it is told.
func (s *service) hears(t *testing.T) {
	t.Helper()
	s.told++
	title := fmt.Sprint("fresh ", s.told)
	s.publish(t, fmt.Sprintf(`{"to":{"users":["control"]},"type":"t","title":%q}`, title))
	require.Equal(t, "notification "+title, s.control.next(t))
}

// publish posts a body to /notify that must be accepted.
func (s *service) publish(t *testing.T, body string) {
	t.Helper()
	require.Equal(t, "202", s.post(t, "/notify", body))
}

// post posts a body as the backend and returns what was said to it.
func (s *service) post(t *testing.T, path, body string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+s.public+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.backend())
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	return said(t, resp)
}

// said puts an answer into words: its status, with the name of its problem.
func said(t *testing.T, resp *http.Response) string {
	t.Helper()
	word := fmt.Sprint(resp.StatusCode)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return word
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if resp.Header.Get("Content-Type") != "application/problem+json" {
		return word
	}
	var p struct{ Type, Instance string }
	require.NoError(t, json.Unmarshal(body, &p), "%s", body)
	require.Equal(t, "urn:uuid:"+resp.Header.Get("X-Request-Id"), p.Instance)
	return word + " " + strings.TrimPrefix(p.Type, "urn:bellhop:problem:")
}

// metrics returns what /metrics says.
func (s *service) metrics(t *testing.T) string {
	t.Helper()
	resp, err := s.client.Get("http://" + s.admin + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}
