package chaos

import (
	"fmt"
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

// TestDrainDelay stops the process with a delay that does not end in the time of a
// test. The process asks for no new work and does all that it is given, until a
// second signal ends it at once.
func TestDrainDelay(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_DELAY=3600"}}
	p.start()
	before := p.watch("earliest")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		return p.get("/readyz").StatusCode == http.StatusServiceUnavailable
	}, patience, 10*time.Millisecond, "it is ready")
	require.Contains(t, p.get("/readyz").body, "urn:bellhop:problem:draining")
	require.Equal(t, http.StatusOK, p.get("/livez").StatusCode)
	require.Equal(t, http.StatusAccepted, p.tell(0).StatusCode)
	before.until(t, 1)
	p.watch("earliest").until(t, 1)

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	code, said := p.wait(t)
	require.Equal(t, -1, code, said)
	require.Equal(t, syscall.SIGTERM, p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

// TestDrainAfterTheDelay stops the process with a delay that ends.
func TestDrainAfterTheDelay(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_DELAY=1"}}
	p.start()
	w := p.watch("earliest")
	closed := make(chan int, 1)
	go func() { closed <- w.closed() }()
	code, said := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Equal(t, 1012, <-closed)
}

// TestHangup sends SIGHUP to a process whose API keys have changed.
func TestHangup(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	require.NoError(t, os.WriteFile(keys, []byte("[]\n"), 0o600))
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_API_KEYS_FILE=" + keys, "BELLHOP_DRAIN_WINDOW=0"}}
	reloaded := make(chan string, 10)
	p.heard = func(msg string) {
		if strings.HasPrefix(msg, "files reloaded") {
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
		case <-time.After(patience):
			t.Fatal("it does not say that files were reloaded")
		}
	}
	require.Equal(t, http.StatusAccepted, p.tell(0).StatusCode)
	code, said := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestHangupOfADemo closes the terminal of a demo.
func TestHangupOfADemo(t *testing.T) {
	d := startDemo(t, t.TempDir())
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.send("one")
	require.Equal(t, []string{"one"}, d.history())
	code, said := d.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestStopWithEverythingStalled stops a process whose log is full, with a request
// whose body does not come, answers that are not read, and connections that do not
// read. None of them can be served, and none of them makes the stop fail.
func TestStopWithEverythingStalled(t *testing.T) {
	pipe := newPipe(t)
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.startOn(pipe.w, pipe.r)
	for n := range 40 {
		require.Equal(t, http.StatusAccepted, p.post(fmt.Sprintf(
			`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d,"long":%q}}`, n, strings.Repeat("x", 15_000))).StatusCode)
	}
	p.begin(note(100))
	for range 10 {
		p.unread("GET /inbox?limit=40 HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer " + token(t, "ada") + "\r\n\r\n")
		p.unread("GET /events?cursor=earliest HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer " + token(t, "ada") + "\r\n\r\n")
	}
	pipe.fill()
	began := time.Now()
	code, _ := p.end(t, syscall.SIGTERM)
	require.Zero(t, code)
	t.Logf("it took %v", time.Since(began).Round(100*time.Millisecond))
	p.start()
	require.Len(t, p.history()[0], 40)
}

// unread sends a request many times over and reads no answer but the first bytes.
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
func (p *process) post(body string) answer {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.url+"/notify", strings.NewReader(body))
	require.NoError(p.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token(p.t, "backend", notify.ScopePublish))
	resp, err := http.DefaultClient.Do(r)
	return read(p.t, resp, err)
}

// A signal to a process that waits for an issuer's keys before it serves is obeyed.
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
			asked, err := issuer.Accept() // the start has begun; its request is never answered
			require.NoError(t, err)
			defer asked.Close()
			for _, signal := range signals {
				require.NoError(t, cmd.Process.Signal(signal))
			}
			code, said := r.wait(t)
			require.Zero(t, code, said)
			require.NotContains(t, said, "ERROR")
		})
	}
}
