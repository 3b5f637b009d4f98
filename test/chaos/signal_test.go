//go:build linux

package chaos

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// TestDrainDelay stops a process whose drain delay is longer than the test. The process
// is not ready, but serves every request and connection, until a second signal ends it
// immediately.
func TestDrainDelay(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_DELAY=3600"}}
	p.start()
	before := p.watch("earliest")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		return p.get("/readyz").StatusCode == http.StatusServiceUnavailable
	}, timeout, 10*time.Millisecond, "the process is still ready")
	require.Contains(t, p.get("/readyz").body, "urn:bellhop:problem:draining")
	require.Equal(t, http.StatusOK, p.get("/livez").StatusCode)
	accepted := p.publish(0)
	require.Equal(t, http.StatusAccepted, accepted.StatusCode)
	require.True(t, accepted.Close, "the next request of the client would meet a connection that closes")
	before.until(t, 1)
	p.watch("earliest").until(t, 1)

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	code, output := p.wait(t)
	require.Equal(t, -1, code, output)
	require.Equal(t, syscall.SIGTERM, p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

// TestDrainAfterTheDelay stops a process with a short drain delay.
func TestDrainAfterTheDelay(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_DELAY=1"}}
	p.start()
	w := p.watch("earliest")
	closed := make(chan int, 1)
	go func() { closed <- w.closed() }()
	code, output := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
	require.Equal(t, 1012, <-closed)
}

// TestHangupReloadsFiles sends SIGHUP to a process whose file of API keys has changed.
func TestHangupReloadsFiles(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	require.NoError(t, os.WriteFile(keys, []byte("[]\n"), 0o600))
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_API_KEYS_FILE=" + keys, "BELLHOP_DRAIN_WINDOW=0"}}
	reloaded := make(chan string, 10)
	p.onLog = func(msg string) {
		if strings.HasPrefix(msg, "action carried out") {
			reloaded <- msg
		}
	}
	p.start()
	for _, content := range []string{"[]\n", "not: [a list\n"} {
		require.NoError(t, os.WriteFile(keys, []byte(content), 0o600))
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
		select {
		case msg := <-reloaded:
			require.Equal(t, content != "[]\n", strings.Contains(msg, "in part"), msg)
		case <-time.After(timeout):
			t.Fatal("the log does not say that files were reloaded")
		}
	}
	require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
	code, output := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
}

// TestDemoSurvivesAHangup sends a demo the signal of a closed terminal.
func TestDemoSurvivesAHangup(t *testing.T) {
	d := startDemo(t, t.TempDir())
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.send("one")
	require.Equal(t, []string{"one"}, d.history())
	code, output := d.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
}

// TestStopWithEverythingStalled stops a process whose log is a full pipe, with a request
// whose body does not arrive, responses that are not read, and connections that do not
// read. None of them can be finished, and none of them makes the shutdown fail.
func TestStopWithEverythingStalled(t *testing.T) {
	pipe := newPipe(t)
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.startOn(pipe.w, pipe.r)
	for n := range 40 {
		require.Equal(t, http.StatusAccepted, p.post(fmt.Sprintf(
			`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d,"long":%q}}`, n, strings.Repeat("x", 15_000))).StatusCode)
	}
	p.begin(numbered(100))
	for range 10 {
		p.unread("GET /inbox?limit=40 HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer " + token(t, "ada") + "\r\n\r\n")
		p.unread("GET /events?cursor=earliest HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer " + token(t, "ada") + "\r\n\r\n")
	}
	pipe.fill()
	began := time.Now()
	code, _ := p.end(t, syscall.SIGTERM)
	require.Zero(t, code)
	t.Logf("the shutdown took %v", time.Since(began).Round(100*time.Millisecond))
	p.start()
	require.Len(t, p.history()[0], 40)
}

// unread sends a request twenty times and reads only the first bytes of the responses.
func (p *process) unread(request string) {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	require.NoError(p.t, conn.(*net.TCPConn).SetReadBuffer(4096))
	_, err = conn.Write([]byte(strings.Repeat(request, 20)))
	require.NoError(p.t, err)
	_, err = conn.Read(make([]byte, 12))
	require.NoError(p.t, err)
}

// post publishes body.
func (p *process) post(body string) response {
	p.t.Helper()
	resp, err := p.tryPost(http.DefaultClient, body)
	require.NoError(p.t, err)
	return resp
}

// tryPost is like post, and returns the error of a request without a complete answer.
func (p *process) tryPost(client *http.Client, body string) (response, error) {
	r, err := http.NewRequest(http.MethodPost, p.url+"/notify", strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token(p.t, "backend", notify.ScopePublish))
	resp, err := client.Do(r)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return response{resp, string(b)}, err
}

// A process that is still starting, because it waits for an issuer's keys, obeys signals.
func TestSignalsDuringTheStart(t *testing.T) {
	for name, signals := range map[string][]os.Signal{
		"SIGTERM":              {syscall.SIGTERM},
		"SIGHUP, then SIGTERM": {syscall.SIGHUP, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer issuer.Close()
			p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{
				"BELLHOP_JWKS=http://" + issuer.Addr().String() + "/jwks", "BELLHOP_JWT_ISSUER=*", "BELLHOP_JWT_AUDIENCE=bellhop",
			}}
			cmd := p.serve()
			r := run(t, cmd, cmd.StderrPipe, func([]byte) {})
			fetch, err := issuer.Accept() // the start waits for this request, which gets no response
			require.NoError(t, err)
			defer fetch.Close()
			for _, signal := range signals {
				require.NoError(t, cmd.Process.Signal(signal))
			}
			code, output := r.wait(t)
			require.Zero(t, code, output)
			require.NotContains(t, output, "ERROR")
		})
	}
}
