package ship_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timeout is the time after which a wait has failed.
const timeout = 2 * time.Minute

// need fails the test if programs are missing.
func need(t *testing.T, programs map[string]string) {
	t.Helper()
	for program, debian := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("missing: %s; install it (Debian: %s)", program, debian)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatal("missing: root, to install packages into a system of their own")
	}
}

// output runs a program, which must succeed, and returns what it prints.
func output(t *testing.T, dir string, command ...string) string {
	t.Helper()
	out, err := run(t.Context(), dir, command...)
	require.NoError(t, err, "%q: %s", command, out)
	return out
}

// run runs a program and returns what it prints to its standard output and error.
func run(ctx context.Context, dir string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// debian makes the root directory of a minimal Debian with systemd.
func debian(t *testing.T) string {
	t.Helper()
	need(t, map[string]string{"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "nsenter": "util-linux"})
	root := filepath.Join(t.TempDir(), "root")
	output(t, "", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include=systemd-sysv,adduser", "bookworm", root)
	return root
}

// copyOf copies a system and returns the directory of the copy.
func copyOf(t *testing.T, root string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	output(t, "", "cp", "--archive", root, dir)
	return dir
}

// machine is a Debian that systemd has started.
type machine struct {
	t    *testing.T
	root string
	init string // the ID of its process 1
}

// start starts the Debian in root. It ends with the test.
func start(t *testing.T, root string) *machine {
	t.Helper()
	cgroup := newCgroup(t)
	boot := exec.CommandContext(context.Background(), "./boot", root, cgroup)
	boot.WaitDelay = timeout
	var log bytes.Buffer
	boot.Stdout, boot.Stderr = &log, &log
	require.NoError(t, boot.Start())
	t.Cleanup(func() {
		_ = boot.Process.Kill() // which kills its process 1, and with that all others
		_ = boot.Wait()
		if t.Failed() {
			t.Logf("boot: %s", log.String())
		}
	})
	m := &machine{t: t, root: root}
	children := filepath.Join("/proc", strconv.Itoa(boot.Process.Pid), "task", strconv.Itoa(boot.Process.Pid), "children")
	m.wait("systemd runs", func() bool {
		child, _ := os.ReadFile(children)
		m.init = strings.TrimSpace(string(child))
		name, _ := os.ReadFile(filepath.Join("/proc", m.init, "comm"))
		return strings.TrimSpace(string(name)) == "systemd"
	})
	m.wait("the system has started", func() bool {
		state, _ := m.try("systemctl", "is-system-running")
		return state == "running"
	})
	return m
}

// newCgroup makes a control group, which is removed at the end of the test.
func newCgroup(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			dir := filepath.Join(f[1], "bellhop-ship-"+strconv.Itoa(os.Getpid()))
			require.NoError(t, os.Mkdir(dir, 0o755))
			t.Cleanup(func() { removeCgroup(t, dir) })
			return dir
		}
	}
	t.Fatal("missing: a unified hierarchy of control groups (cgroup2)")
	return ""
}

// removeCgroup removes a control group with those in it as soon as their processes have ended.
func removeCgroup(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			_ = os.Remove(dir) // fails while a process is in it
		}
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, timeout, 10*time.Millisecond, "the control group %s stays", dir)
}

// try runs a program in the machine and returns what it prints.
func (m *machine) try(command ...string) (string, error) {
	return run(m.t.Context(), "", append([]string{
		"nsenter", "--target", m.init, "--all", "env", "-i",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
	}, command...)...)
}

// run runs a program in the machine, which must succeed, and returns what it prints.
func (m *machine) run(command ...string) string {
	m.t.Helper()
	out, err := m.try(command...)
	require.NoError(m.t, err, "%q: %s", command, out)
	return out
}

// fails runs a program in the machine, which must fail.
func (m *machine) fails(command ...string) {
	m.t.Helper()
	out, err := m.try(command...)
	require.Error(m.t, err, "%q: %s", command, out)
}

// wait waits until something has happened.
func (m *machine) wait(what string, happened func() bool) {
	m.t.Helper()
	require.Eventually(m.t, happened, timeout, 100*time.Millisecond, what)
}
