package monitor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/built"
	"github.com/bellhop/bellhop/test/natsserver"
)

const (
	secret = "a secret of a monitored process of 32 bytes or more"

	// timeout bounds the wait for an event that must happen. Only a failing test waits this long.
	timeout = 60 * time.Second
)

// bellhop is built, unless the environment names one.
var bellhop = built.New()

// fired has the names of the alerts that have fired in a test that wanted them to.
var fired sync.Map

// TestMain fails unless each alert has fired in a test, against a process, if all tests have run. It removes the
// built binary.
func TestMain(m *testing.M) {
	code := m.Run()
	if chosen := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String() + flag.Lookup("test.list").Value.String(); code == 0 && chosen == "" {
		code = checkFired()
	}
	bellhop.Remove()
	os.Exit(code) //nolint:forbidigo // the result of the tests
}

// checkFired returns 1 if an alert has not fired, and 0 otherwise.
func checkFired() (code int) {
	all, err := readRules()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the alerts cannot be read:", err)
		return 1
	}
	for _, r := range all {
		if _, ok := fired.Load(r.Alert); !ok {
			fmt.Fprintf(os.Stderr, "no test has seen the alert %s fire\n", r.Alert)
			code = 1
		}
	}
	return code
}

// process is a running bellhop.
type process struct {
	t             *testing.T
	name          string
	public, admin string // host:port
	secure        bool   // the public listener has TLS
	dir           string // of its data
	cmd           *exec.Cmd
	ended         chan struct{}
	client        *http.Client
	cursor        string // of the last event that visit has received
}

// Words among the settings of start.
const (
	program   = "(program) " // and the path of another one
	unreadLog = "(a log that nobody reads)"
	fewFiles  = "(64 open files at most)"
)

// start starts bellhop with settings, NAME=VALUE, and waits until it answers.
func start(t *testing.T, name string, settings ...string) *process {
	t.Helper()
	binary := os.Getenv("BELLHOP_BIN")
	if binary == "" {
		binary = bellhop.Path(t)
	}
	addresses := natsserver.FreePorts(t, 2)
	p := &process{t: t, name: name, public: addresses[0], admin: addresses[1], dir: t.TempDir(), ended: make(chan struct{})}
	p.client = &http.Client{Timeout: timeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 64,
	}}
	t.Cleanup(p.client.CloseIdleConnections)
	logs, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	p.cmd = exec.Command(binary, "serve")
	p.cmd.Stderr = logs
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "BELLHOP_") })
	p.cmd.Env = append(p.cmd.Env, "BELLHOP_LISTEN="+p.public, "BELLHOP_ADMIN_LISTEN="+p.admin, "BELLHOP_JWT_SECRET="+secret,
		"BELLHOP_DATA_DIR="+p.dir, "BELLHOP_NODE="+name, "BELLHOP_DRAIN_WINDOW=0s", "GOMEMLIMIT=1GiB")
	for _, s := range settings {
		switch s {
		case fewFiles:
			p.cmd.Path, p.cmd.Args = "/bin/sh", []string{"sh", "-c", `ulimit -n 64; exec "$0" serve`, binary}
		case unreadLog:
			p.cmd.Stderr = unread(t)
		default:
			if other, ok := strings.CutPrefix(s, program); ok {
				p.cmd.Path = other
				continue
			}
			p.secure = p.secure || strings.HasPrefix(s, "BELLHOP_TLS_CERT_FILE=")
			p.cmd.Env = append(p.cmd.Env, s)
		}
	}
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // of a process that is killed
	}()
	t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(logs.Name()); t.Failed() && err == nil {
			t.Logf("the log of %s ends with: %s", name, text[max(0, len(text)-4000):])
		}
	})
	p.await("it answers", func() bool { return p.try(http.MethodGet, "/livez", "", "") == http.StatusOK })
	return p
}

// unread returns a pipe whose reader has gone.
func unread(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// await waits for a condition while the process runs.
func (p *process) await(what string, ok func() bool) {
	p.t.Helper()
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(timeout)
	defer tick.Stop()
	for !ok() {
		select {
		case <-p.ended:
			p.t.Fatalf("%s has ended before %s", p.name, what)
		case <-deadline:
			p.t.Fatalf("%s: not true: %s", p.name, what)
		case <-tick.C:
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// stop ends the process as an operator does.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(timeout):
		p.t.Fatalf("%s does not stop", p.name)
	}
}

// kill ends the process and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func token(t *testing.T, user string, scopes ...notify.Scope) string {
	t.Helper()
	signed, err := auth.Sign([]byte(secret), auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
	require.NoError(t, err)
	return signed
}

func (p *process) backend() string {
	return token(p.t, "backend", notify.ScopePublish, notify.ScopeBroadcast)
}

func (p *process) url(scheme, path string) string {
	if p.secure {
		scheme += "s"
	}
	return scheme + "://" + p.public + path
}

// try sends a request and returns the status of the answer, 0 if there is none.
func (p *process) try(method, path, token, body string, headers ...string) int {
	r, err := http.NewRequest(method, p.url("http", path), strings.NewReader(body))
	require.NoError(p.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// publish publishes a notification and returns the status of the answer.
func (p *process) publish(to, filler string, headers ...string) int {
	return p.try(http.MethodPost, "/notify", p.backend(), fmt.Sprintf(`{"to":%s,"type":"t","title":"x","data":{"filler":%q}}`, to, filler), headers...)
}

const (
	toAda = `{"users":["ada"]}`
	toAll = `{"all":true}`
)

// The formats that Prometheus asks for: by default, and first if scrape_native_histograms is true.
const (
	asOpenMetrics = "application/openmetrics-text; version=1.0.0"
	asProtobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// metrics returns the answer to a scrape, empty if there is none.
func (p *process) metrics() (text, contentType string) { return p.metricsIn(asOpenMetrics) }

func (p *process) metricsIn(format string) (text, contentType string) {
	r, err := http.NewRequest(http.MethodGet, "http://"+p.admin+"/metrics", nil)
	require.NoError(p.t, err)
	r.Header.Set("Accept", format)
	resp, err := p.client.Do(r)
	if err != nil {
		return "", ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", ""
	}
	return string(body), resp.Header.Get("Content-Type")
}

// metric returns the sum of a series' values whose line begins with a text.
func (p *process) metric(prefix string) (sum float64) {
	body, _ := p.metrics()
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, prefix) {
			var value float64
			_, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):], &value)
			require.NoError(p.t, err)
			sum += value
		}
	}
	return sum
}

// connect opens a WebSocket of a user and reads until it is live.
func (p *process) connect(user, cursor string) *websocket.Conn {
	p.t.Helper()
	ws := p.dial(user, cursor)
	p.readUntil(ws, "live")
	return ws
}

// dial opens a WebSocket of a user.
func (p *process) dial(user, cursor string) *websocket.Conn {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), timeout)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, p.url("ws", "/ws?cursor="+url.QueryEscape(cursor)), &websocket.DialOptions{
		HTTPClient: p.client, HTTPHeader: http.Header{"Authorization": {"Bearer " + token(p.t, user)}},
	})
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = ws.CloseNow() })
	ws.SetReadLimit(1 << 20)
	return ws
}

// readUntil reads events until one with a name, and keeps their cursor.
func (p *process) readUntil(ws *websocket.Conn, event string) {
	p.t.Helper()
	for p.read(ws) != event {
		continue
	}
}

// read returns the name of the next event, and keeps its cursor.
func (p *process) read(ws *websocket.Conn) (event string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), timeout)
	defer cancel()
	var got struct{ Event, Cursor string }
	_, message, err := ws.Read(ctx)
	require.NoError(p.t, err)
	require.NoError(p.t, json.Unmarshal(message, &got))
	if got.Cursor != "" {
		p.cursor = got.Cursor
	}
	return got.Event
}

// visit opens a connection from the cursor of the last one, publishes, receives the notifications, sends a
// command and closes the connection. Publishing may fail.
func (p *process) visit() {
	p.t.Helper()
	ws := p.connect("ada", p.cursor)
	for range 17 { // the time of every sixteenth write is measured
		p.publish(toAda, "")
	}
	p.publish(toAll, "")
	require.NoError(p.t, ws.Write(p.t.Context(), websocket.MessageText, []byte(`{"event":"ping","ref":"1"}`)))
	p.readUntil(ws, "reply") // after all events before it
	p.try(http.MethodGet, "/inbox", token(p.t, "ada"), "")
	p.try(http.MethodPost, "/tickets", token(p.t, "ada"), "")
	p.try(http.MethodGet, "/inbox", "not.a.token", "")
	_ = ws.Close(websocket.StatusNormalClosure, "")
	p.publish(toAda, "") // which the next visit finds
}
