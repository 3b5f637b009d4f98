//go:build linux

package guide

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/built"
	"github.com/bellhop/bellhop/test/traffic"
)

const (
	secret = "a secret of the guide of 32 bytes or more"

	// timeout bounds the wait for an event that must happen. Only a failing test waits this long.
	timeout = 60 * time.Second
)

// Two builds of bellhop, whose files differ.
var (
	present = built.New()
	newer   = built.New("-ldflags=-s")
)

// TestMain removes the programs. The tests mostly wait for processes, so twice as many as usual run at the same time.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	code := m.Run()
	present.Remove()
	newer.Remove()
	os.Exit(code) //nolint:forbidigo // the result of the tests
}

// node is the unit of bellhop.
type node struct {
	m     *machine
	cmd   *exec.Cmd  // nil: not started
	ended chan error // has the result of cmd when it has ended
}

func (n *node) log() string { return n.m.path("bellhop.log") }

func (n *node) start() error {
	if n.cmd != nil && len(n.ended) == 0 {
		return nil
	}
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := []string{filepath.Join(n.m.bin, "bellhop"), "serve"}
	if n.m.files != "" {
		command = append([]string{"prlimit", "--nofile=" + n.m.files}, command...)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, n.m.home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: serviceUser, Gid: serviceUser}}
	for _, v := range n.m.env { // a unit does not have the variables of an operator's shell
		if !strings.HasPrefix(v, "BELLHOP_") || strings.HasPrefix(v, "BELLHOP_CONFIG=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.cmd, n.ended = cmd, make(chan error, 1)
	go func(ended chan<- error) { ended <- cmd.Wait() }(n.ended) // stop and kill wait for it
	return nil
}

// stop ends the process as systemd does. The process must exit with 0, unless it has ended before.
func (n *node) stop() error {
	if n.cmd == nil {
		return nil
	}
	running := len(n.ended) == 0
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	err := <-n.ended
	n.cmd = nil
	if running {
		return err
	}
	return nil
}

func (n *node) reload() error {
	if n.cmd == nil {
		return errors.New("bellhop does not run")
	}
	return n.cmd.Process.Signal(syscall.SIGHUP)
}

// kill ends the process as a crash does.
func (n *node) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.ended
		n.cmd = nil
	}
}

// hasEnded reports whether the node was started and has ended by itself.
func (m *machine) hasEnded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.units["bellhop"].(*node) //nolint:forcetypeassert // that of newMachine
	return n.cmd != nil && len(n.ended) > 0
}

// executable identifies the file that the process of the node runs.
func (m *machine) executable() os.FileInfo {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.units["bellhop"].(*node) //nolint:forcetypeassert // that of newMachine
	info, err := os.Stat(fmt.Sprintf("/proc/%d/exe", n.cmd.Process.Pid))
	require.NoError(m.t, err)
	return info
}

func token(t *testing.T, user string, scopes ...notify.Scope) string {
	t.Helper()
	signed, err := auth.Sign([]byte(secret), auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
	require.NoError(t, err)
	return signed
}

// startTraffic starts publishers and listeners, which use the machines in turn.
func startTraffic(t *testing.T, machines ...*machine) *traffic.Load {
	t.Helper()
	var urls []string
	for _, m := range machines {
		urls = append(urls, "http://"+m.public)
	}
	return traffic.Start(t, traffic.Options{
		Prefix: "load", Users: 4, Between: 10 * time.Millisecond, URLs: func() []string { return urls },
		Token: func(user string, scopes ...notify.Scope) string { return token(t, user, scopes...) },
	})
}

// requireWhole ends the traffic. Nothing that was acknowledged may be lost, repeated or reordered, and
// no client may have received a reset.
func requireWhole(t *testing.T, l *traffic.Load) {
	t.Helper()
	l.Stop()
	o := l.Compare()
	require.Positive(t, o.Acknowledged)
	require.Zero(t, o.Lost+o.Repeated+o.Reordered+o.Announced, "%+v", o)
}

// inbox returns the inbox of a user as the node of this machine has it, a notification in each line, without
// cursors, which begin again with a new journal.
func (m *machine) inbox(user string) string {
	m.t.Helper()
	list := m.sh("bellhop inbox --user '" + user + "' --limit 100000 --state all --json --token " + token(m.t, "operator", notify.ScopeAdmin) + " 2> inbox.counts")
	return regexp.MustCompile(`,"cursor":"[^"]*"`).ReplaceAllString(list, "")
}

// send publishes notifications to a user, with titles from 0.
func (m *machine) send(user string, count int) {
	m.t.Helper()
	m.sh(fmt.Sprintf(`for n in $(seq 0 %d); do bellhop send --user '%s' --type test --title "$n" --token %s; done`,
		count-1, user, token(m.t, "backend", notify.ScopePublish)))
}

// crash ends the node of this machine without a stop.
func (m *machine) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units["bellhop"].(*node).kill() //nolint:forcetypeassert // that of newMachine
}
