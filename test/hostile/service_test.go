// Package hostile attacks the service: with raw frames that no client library would
// write, with nearly valid tokens, origins, request headers and bodies, and with floods.
// Each attack must be answered with the specified status or close code, and must not
// disturb other clients: after every case a control client still receives a new
// notification, and all goroutines of the case have ended.
package hostile

import (
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
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/test/logtext"
)

const secret = "a hostile secret of 32 bytes or more"

// timeout bounds the wait for an event that must happen. Only a failing test waits this
// long.
const timeout = 30 * time.Second

// slack is the number of goroutines by which the process may have grown since before the
// first case, because the store and the runtime start goroutines in the background. Every
// table has more cases than this, so a leak of one goroutine per case is detected.
const slack = 10

// TestMain writes the results of the attacks into README.md.
func TestMain(m *testing.M) {
	runtime.MemProfileRate = 32 << 10 // the function heap needs more samples than the default gives
	code := m.Run()
	if err := writeFigures(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // TestMain decides the exit code
}

// service is an instance of bellhop in the process of the test, with a control client.
type service struct {
	t      *testing.T
	cfg    *config.Config
	public string // host:port
	admin  string
	client *http.Client // publishes to the control client, over one connection
	log    *logtext.Log
	logs   *telemetry.Log // as users run it; nil: all lines at all levels, in JSON

	control  *socket
	received int // notifications of the control client
	base     int // goroutines of the idle process
}

// start starts a service with the default settings, as modified by change.
func start(t *testing.T, change ...func(*config.Config)) *service {
	t.Helper()
	return startWith(t, &logtext.Log{}, nil, change...)
}

// startWith is start with a log that writes to the record.
func startWith(t *testing.T, log *logtext.Log, logs *telemetry.Log, change ...func(*config.Config)) *service {
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
		t: t, cfg: cfg, log: log, logs: logs,
		client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: timeout},
	}
	s.run()
	s.control = s.live(t, "control")
	s.undisturbed(t) // opens the connection of the publisher
	s.base = runtime.NumGoroutine()
	return s
}

// run starts app.Run. At the end of the test it is stopped and waited for.
func (s *service) run() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening := make(chan [2]net.Addr, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, s.cfg, app.Options{
			Log:       s.logs,
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

// backend returns a token that may publish to users.
func (s *service) backend() string { return s.token("backend", notify.ScopePublish) }

// undisturbed asserts that a case has affected only its sender: the control client
// receives a new notification, and every goroutine that served the sender has ended.
func (s *service) undisturbed(t *testing.T) {
	t.Helper()
	s.notifyControl(t)
	if s.base == 0 {
		return
	}
	if !assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= s.base+slack }, timeout, time.Millisecond,
		"goroutines have not ended: there were %d", s.base) {
		s.base = runtime.NumGoroutine() // report the leak only once
	}
}

// notifyControl publishes to the control client and waits until the notification arrives.
func (s *service) notifyControl(t *testing.T) {
	t.Helper()
	s.received++
	title := fmt.Sprint("fresh ", s.received)
	s.publish(t, fmt.Sprintf(`{"to":{"users":["control"]},"type":"t","title":%q}`, title))
	require.Equal(t, "notification "+title, s.control.next(t))
}

// publish posts a body to /notify that must be accepted.
func (s *service) publish(t *testing.T, body string) {
	t.Helper()
	require.Equal(t, "202", s.post(t, "/notify", body))
}

// post posts a body as the backend and returns the status of the response in words.
func (s *service) post(t *testing.T, path, body string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+s.public+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.backend())
	resp, err := s.client.Do(r)
	require.NoError(t, err)
	return statusWords(t, resp)
}

// statusWords describes a response by its status, and by the type of the problem if it
// has one: "422 invalid".
func statusWords(t *testing.T, resp *http.Response) string {
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

// metrics returns the body of GET /metrics.
func (s *service) metrics(t *testing.T) string {
	t.Helper()
	resp, err := s.client.Get("http://" + s.admin + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}
