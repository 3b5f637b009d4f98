//go:build linux

package chaos

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/built"
)

const (
	secret = "a chaos secret of 32 bytes or more"

	// timeout bounds the wait for an event that must happen. Only a failing test
	// waits this long.
	timeout = 60 * time.Second
)

func token(t *testing.T, user string, scopes ...notify.Scope) string {
	signed, err := auth.Sign([]byte(secret), auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
	if err != nil {
		t.Error(err)
	}
	return signed
}

// TestMain sets GORACE so that the race detector does not delay the exit of each
// process by a second. Afterwards it removes the binary, and writes the table.
func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	code := m.Run()
	binary.Remove()
	if err := writeRows(); err != nil {
		panic(err)
	}
	os.Exit(code) //nolint:forbidigo // the result of the tests
}

// binary is bellhop, with the race detector if the test runs with it.
var binary = built.New(raceDetector()...)

func raceDetector() []string {
	if hasRaceDetector() {
		return []string{"-race"}
	}
	return nil
}

func hasRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// build builds the binary.
func build(t *testing.T) string {
	t.Helper()
	return binary.Path(t)
}

// process is a `bellhop serve` in a process of its own.
type process struct {
	t      *testing.T
	binary string
	dir    string
	env    []string          // additional environment variables
	onLog  func(msg string)  // called with the message of each log line, unless nil
	onLine func(line string) // called with each log line, unless nil
	url    string
	admin  string
	*running
	cursor string // of the last frame that a watcher has read

	public atomic.Pointer[string] // url, for other goroutines
}

// running is a process that was started.
type running struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has exited

	// Complete when exited is closed.
	output bytes.Buffer
}

// run starts a command and calls onLine with each line that it writes to the pipe that
// from returns, which is its stdout or stderr.
func run(t *testing.T, cmd *exec.Cmd, from func() (io.ReadCloser, error), onLine func(line []byte)) *running {
	t.Helper()
	out, err := from()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := &running{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(r.exited)
		lines := bufio.NewScanner(io.TeeReader(out, &r.output))
		for lines.Scan() {
			onLine(lines.Bytes())
		}
		_ = cmd.Wait() // the result is in ProcessState
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has exited
		<-r.exited
	})
	return r
}

// serve returns a `bellhop serve` command with the process's settings.
func (p *process) serve() *exec.Cmd {
	cmd := exec.Command(p.binary, "serve")
	cmd.Env = append(os.Environ(),
		"BELLHOP_LISTEN=127.0.0.1:0", "BELLHOP_ADMIN_LISTEN=127.0.0.1:0", "BELLHOP_JWT_SECRET="+secret,
		"BELLHOP_DATA_DIR="+p.dir, "BELLHOP_LOG_FORMAT=json", "BELLHOP_NOTIFICATIONS_PER_USER=1000000")
	cmd.Env = append(cmd.Env, p.env...)
	return cmd
}

// start starts the process and waits until it listens.
func (p *process) start() {
	p.t.Helper()
	if !p.startOrExit() {
		p.t.Fatalf("the process has exited (%v): %s", p.cmd.ProcessState, p.output.String())
	}
}

// startOrExit starts a process that may refuse to start, and reports whether it listens.
func (p *process) startOrExit() bool {
	p.t.Helper()
	type addresses struct{ Msg, Public, Admin string }
	listening := make(chan addresses, 1)
	cmd := p.serve()
	p.running = run(p.t, cmd, cmd.StderrPipe, func(b []byte) {
		var line addresses
		if json.Unmarshal(b, &line) != nil {
			return
		}
		if line.Msg == "listening" {
			listening <- line
		}
		if p.onLog != nil {
			p.onLog(line.Msg)
		}
		if p.onLine != nil {
			p.onLine(string(b))
		}
	})
	select {
	case at := <-listening:
		p.url, p.admin = "http://"+at.Public, "http://"+at.Admin
		url := p.url
		p.public.Store(&url)
		return true
	case <-p.exited:
		return false
	case <-time.After(timeout):
		p.t.Fatal("the process does not listen")
		return false
	}
}

// kill ends the process with SIGKILL. Unlike a power cut, it loses no data that was
// written but not synced.
func (p *process) kill() {
	require.NoError(p.t, p.cmd.Process.Kill())
	<-p.exited
	require.NotContains(p.t, p.output.String(), "DATA RACE") // a process that exits by itself reports it in its exit code
}

// end sends a signal and returns the exit code and the output.
func (r *running) end(t *testing.T, signal os.Signal) (code int, output string) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(signal))
	return r.wait(t)
}

func (r *running) wait(t *testing.T) (code int, output string) {
	t.Helper()
	select {
	case <-r.exited:
		return r.cmd.ProcessState.ExitCode(), r.output.String()
	case <-time.After(timeout):
		t.Fatal("the process does not exit")
		return 0, ""
	}
}

// alive reports whether the process has not exited.
func (r *running) alive() bool {
	select {
	case <-r.exited:
		return false
	default:
		return true
	}
}

// listens reports whether the process accepts connections.
func (p *process) listens() bool {
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// response is an HTTP response whose body has been read.
type response struct {
	*http.Response
	body string
}

func (p *process) get(path string) response {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	return read(p.t, resp, err)
}

// publish publishes number n of publisher 0 to ada.
func (p *process) publish(n int) response {
	p.t.Helper()
	return p.post(numbered(n))
}

func numbered(n int) string {
	return fmt.Sprintf(`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d}}`, n)
}

func read(t *testing.T, resp *http.Response, err error) response {
	t.Helper()
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return response{resp, string(b)}
}
