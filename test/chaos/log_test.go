//go:build linux

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// The tests in this file check that a log that is not read, or that cannot be written,
// neither ends the process nor blocks it.

// startOn starts the process with its stderr at w. It reads the log from r, the other
// end, until the process listens, and returns the URL of the admin listener.
func (p *process) startOn(w *os.File, r io.Reader) (admin string) {
	p.t.Helper()
	cmd := p.serve()
	cmd.Stderr = w
	require.NoError(p.t, cmd.Start())
	p.running = &running{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // the result is in ProcessState
	}()
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has exited
		<-p.exited
	})
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		require.NoError(p.t, err)
		var entry struct{ Msg, Public, Admin string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "listening" {
			p.url = "http://" + entry.Public
			return "http://" + entry.Admin
		}
	}
}

// violateProtocol connects a client that violates the protocol, which is logged.
func (p *process) violateProtocol() {
	p.t.Helper()
	w := p.watch("")
	ctx, cancel := context.WithTimeout(p.t.Context(), timeout)
	defer cancel()
	require.NoError(p.t, w.ws.Write(ctx, websocket.MessageBinary, []byte{0xff, 0}))
	require.Equal(p.t, 1003, w.closed())
}

var droppedLines = regexp.MustCompile(`(?m)^bellhop_log_lines_dropped_total (\S+)$`)

// dropped returns the number of dropped log lines, from the metrics.
func (p *process) dropped(admin string) float64 {
	p.t.Helper()
	resp, err := http.Get(admin + "/metrics")
	a := read(p.t, resp, err)
	found := droppedLines.FindStringSubmatch(a.body)
	require.NotNil(p.t, found, a.body)
	n, err := strconv.ParseFloat(found[1], 64)
	require.NoError(p.t, err)
	return n
}

func TestLogWithoutAReader(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0"}}
	admin := p.startOn(w, r)
	require.NoError(t, w.Close())
	require.NoError(t, r.Close())

	p.violateProtocol()
	require.Eventually(t, func() bool { return p.dropped(admin) > 0 }, timeout, 10*time.Millisecond, "no dropped line is counted")
	require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
	code, _ := p.end(t, syscall.SIGTERM)
	require.Zero(t, code)
}

// pipe is a named pipe that the test can fill.
type pipe struct {
	t      *testing.T
	r, w   *os.File
	filler int // a non-blocking file descriptor for writing
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "log")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	filler, err := syscall.Open(fifo, syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	require.NoError(t, err)
	r, err := os.Open(fifo)
	require.NoError(t, err)
	w, err := syscall.Open(fifo, syscall.O_WRONLY|syscall.O_CLOEXEC, 0) // blocking, like the stderr of most programs
	require.NoError(t, err)
	p := &pipe{t, r, os.NewFile(uintptr(w), fifo), filler}
	t.Cleanup(func() {
		p.r.Close()
		p.w.Close()
		_ = syscall.Close(p.filler)
	})
	return p
}

// fill writes until the pipe is full.
func (p *pipe) fill() {
	p.t.Helper()
	for _, size := range []int{4096, 1} {
		var err error
		for err == nil {
			_, err = syscall.Write(p.filler, make([]byte, size))
		}
		require.ErrorIs(p.t, err, syscall.EAGAIN)
	}
}

func TestLogToAFullPipe(t *testing.T) {
	pipe := newPipe(t)
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0"}}
	admin := p.startOn(pipe.w, pipe.r)
	pipe.fill()

	p.violateProtocol()
	require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
	require.Zero(t, p.dropped(admin), "the queue of log lines is not full")
	code, _ := p.end(t, syscall.SIGTERM)
	require.Zero(t, code)
}

// TestRepeatedProtocolViolationsAreSummarised lets clients violate the protocol again
// and again. The log counts every violation, but has fewer lines than violations.
func TestRepeatedProtocolViolationsAreSummarised(t *testing.T) {
	const most = 100
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0"}}
	p.start()
	for range most {
		p.violateProtocol()
	}
	code, output := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
	lines, counted := 0, 0
	for line := range strings.Lines(output) {
		var l struct {
			Msg      string
			Repeated int
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "peer broke the protocol" {
			lines++
			counted += max(1, l.Repeated)
		}
	}
	require.Equal(t, most, counted, "every violation must be counted: %s", output)
	require.Less(t, lines, most/2, "repeated violations must share lines: %s", output)
}

// A process that cannot report mistakes in its settings, because its log cannot be
// written, still exits with the right code.
func TestExitCodeWhenTheLogCannotBeWritten(t *testing.T) {
	for name, open := range map[string]func() (*os.File, error){
		"full disk": func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_WRONLY, 0) },
		"full pipe": func() (*os.File, error) {
			pipe := newPipe(t)
			pipe.fill()
			return pipe.w, nil
		},
		"closed pipe": func() (*os.File, error) {
			r, w, err := os.Pipe()
			if err == nil {
				r.Close()
			}
			return w, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := open()
			require.NoError(t, err)
			defer w.Close()
			p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_JWT_SECRET=short"}}
			cmd := p.serve()
			cmd.Stderr = w
			require.Error(t, cmd.Run())
			require.Equal(t, 2, cmd.ProcessState.ExitCode(), cmd.ProcessState)
		})
	}
}

// `bellhop listen` exits when its output is closed, as other commands in a pipeline do.
func TestListenEndsWithItsReader(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0"}}
	p.start()
	require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(p.binary, "listen", "--url", p.url, "--token", token(t, "ada"), "--cursor", "earliest", "--json")
	cmd.Stdout = w
	listening := run(t, cmd, cmd.StderrPipe, func([]byte) {})
	require.NoError(t, w.Close())
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var f frame
		require.NoError(t, json.Unmarshal(lines.Bytes(), &f))
		if f.Event == "live" {
			break
		}
	}
	require.NoError(t, r.Close())
	require.Equal(t, http.StatusAccepted, p.publish(1).StatusCode)
	_, output := listening.wait(t)
	require.NotContains(t, output, "panic")
	require.NotContains(t, output, "bellhop:")
}
