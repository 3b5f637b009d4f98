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
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

const (
	secret = "a chaos secret of 32 bytes or more"

	// patience is how long a test waits for what must come. It is no measure:
	// only a test that fails takes so long.
	patience = 60 * time.Second
)

func token(t *testing.T, user string, scopes ...notify.Scope) string {
	signed, err := auth.Sign([]byte(secret), auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
	if err != nil {
		t.Error(err)
	}
	return signed
}

// built is where buildOnce has put the binary; empty: it was not asked to.
var built string

// TestMain keeps the race detector from holding up every process that exits by
// a second, and removes what buildOnce has built.
func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
}

var buildOnce = sync.OnceValues(func() (binary string, err error) {
	if built, err = os.MkdirTemp("", "bellhop-chaos-"); err != nil {
		return "", err
	}
	binary = filepath.Join(built, "bellhop")
	args := []string{"build", "-o", binary, "../../cmd/bellhop"}
	if hasRaceDetector() {
		args = slices.Insert(args, 1, "-race")
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

func hasRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// build builds the binary, race detector and all if the test has it.
func build(t *testing.T) string {
	t.Helper()
	binary, err := buildOnce()
	require.NoError(t, err)
	return binary
}

// process is a bellhop in a process of its own.
type process struct {
	t      *testing.T
	binary string
	dir    string
	env    []string         // besides the usual
	heard  func(msg string) // is given the message of each log line; nil: nobody is
	url    string
	admin  string
	*running
	cursor string // of the last frame that a watcher has read
}

// running is a process that was started.
type running struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has

	// Set before exited is closed.
	said bytes.Buffer
}

// run starts a command of the binary and hands the lines that it writes to
// stdout or stderr to heard.
func run(t *testing.T, cmd *exec.Cmd, from func() (io.ReadCloser, error), heard func(line []byte)) *running {
	t.Helper()
	out, err := from()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := &running{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(r.exited)
		lines := bufio.NewScanner(io.TeeReader(out, &r.said))
		for lines.Scan() {
			heard(lines.Bytes())
		}
		_ = cmd.Wait() // ProcessState has it
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has exited
		<-r.exited
	})
	return r
}

// serve returns the command that serves from the process's directory.
func (p *process) serve() *exec.Cmd {
	cmd := exec.Command(p.binary, "serve")
	cmd.Env = append(os.Environ(),
		"BELLHOP_LISTEN=127.0.0.1:0", "BELLHOP_ADMIN_LISTEN=127.0.0.1:0", "BELLHOP_JWT_SECRET="+secret,
		"BELLHOP_DATA_DIR="+p.dir, "BELLHOP_LOG_FORMAT=json", "BELLHOP_NOTIFICATIONS_PER_USER=1000000")
	cmd.Env = append(cmd.Env, p.env...)
	return cmd
}

// start starts the process and waits until it says where it listens.
func (p *process) start() {
	p.t.Helper()
	if !p.startOrExit() {
		p.t.Fatalf("it has exited (%v): %s", p.cmd.ProcessState, p.said.String())
	}
}

// startOrExit is start for a process that may refuse to. It reports whether it
// listens.
func (p *process) startOrExit() bool {
	p.t.Helper()
	type addresses struct{ Msg, Public, Admin string }
	listening := make(chan addresses, 1)
	cmd := p.serve()
	p.running = run(p.t, cmd, cmd.StderrPipe, func(line []byte) {
		var said addresses
		if json.Unmarshal(line, &said) != nil {
			return
		}
		if said.Msg == "listening" {
			listening <- said
		}
		if p.heard != nil {
			p.heard(said.Msg)
		}
	})
	select {
	case at := <-listening:
		p.url, p.admin = "http://"+at.Public, "http://"+at.Admin
		return true
	case <-p.exited:
		return false
	case <-time.After(patience):
		p.t.Fatal("it does not listen")
		return false
	}
}

// kill ends the process as a power cut would, but for the disk's own memory.
func (p *process) kill() {
	require.NoError(p.t, p.cmd.Process.Kill())
	<-p.exited
	require.NotContains(p.t, p.said.String(), "DATA RACE") // one that exits by itself says so by its code
}

// end sends a signal and returns the exit code, and what was said.
func (r *running) end(t *testing.T, signal os.Signal) (code int, said string) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(signal))
	return r.wait(t)
}

func (r *running) wait(t *testing.T) (code int, said string) {
	t.Helper()
	select {
	case <-r.exited:
		return r.cmd.ProcessState.ExitCode(), r.said.String()
	case <-time.After(patience):
		t.Fatal("it does not exit")
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

// listens reports whether the process takes connections.
func (p *process) listens() bool {
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// answer is a response whose body was read.
type answer struct {
	*http.Response
	body string
}

func (p *process) get(path string) answer {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	return read(p.t, resp, err)
}

// tell publishes number n, as publisher 0, to ada.
func (p *process) tell(n int) answer {
	p.t.Helper()
	return p.post(note(n))
}

func note(n int) string {
	return fmt.Sprintf(`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d}}`, n)
}

func read(t *testing.T, resp *http.Response, err error) answer {
	t.Helper()
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp, string(b)}
}
