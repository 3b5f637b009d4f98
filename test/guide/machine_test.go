//go:build linux

package guide

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
)

// serviceUser is the user and group of the service. Commands are run by root.
const serviceUser = 4242

// machine is the machine of a node, as an operator finds it: a directory with the settings, the
// data and the programs.
type machine struct {
	t             *testing.T
	home          string // in which commands run
	bin           string // first in PATH
	settings      string // file
	data          string // directory
	public, admin string // host:port
	env           []string

	mu    sync.Mutex
	units map[string]unit // that systemctl starts and stops
	files string          // LimitNOFILE of the node; empty: that of the test
}

// unit is a service of systemd. Callers hold the lock of its machine.
type unit interface {
	start() error
	stop() error
	reload() error
	log() string // file
}

// newMachine returns a machine with a node that is not started. Settings are lines of the file of settings.
func newMachine(t *testing.T, settings ...string) *machine {
	t.Helper()
	home, addresses := t.TempDir(), natsserver.FreePorts(t, 2)
	m := &machine{
		t: t, home: home, bin: filepath.Join(home, "bin"), settings: filepath.Join(home, "bellhop.yaml"),
		data: filepath.Join(home, "data"), public: addresses[0], admin: addresses[1], units: map[string]unit{},
	}
	require.NoError(t, os.Chmod(filepath.Dir(home), 0o755)) // the user of the service must get there
	require.NoError(t, os.Chown(home, serviceUser, serviceUser))
	require.NoError(t, os.Mkdir(m.bin, 0o755))
	m.install("bellhop", present.Path(t))
	m.write("jwt-secrets", secret+"\n")
	m.write("bellhop.yaml", settingsFile([]string{
		"listen: " + m.public, "admin_listen: " + m.admin, "data_dir: " + m.data, "jwt_secret_file: " + m.path("jwt-secrets"),
		"drain_window: 0", "min_free_bytes: 1MiB", "requests_per_second: 0",
	}, settings))
	m.env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "BELLHOP_") }),
		"PATH="+m.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "BELLHOP_CONFIG="+m.settings, "BELLHOP_URL=http://"+m.public,
		"ADMIN=http://"+m.admin, "DATA="+m.data, "UNITS="+m.path("units"))
	m.replaceSystemd()
	m.units["bellhop"] = &node{m: m}
	t.Cleanup(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for name, u := range m.units {
			if n, ok := u.(*node); ok {
				n.kill()
			}
			if info, err := os.Stat(u.log()); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if text, err := os.ReadFile(u.log()); err == nil && t.Failed() {
				t.Logf("the log of %s in %s ends with: %s", name, m.home, text[max(0, len(text)-3000):])
			}
		}
	})
	return m
}

// settingsFile returns a file of settings with lines in the place of defaults.
func settingsFile(defaults, lines []string) string {
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		defaults = slices.DeleteFunc(defaults, func(d string) bool { return strings.HasPrefix(d, name+":") })
	}
	return strings.Join(append(defaults, lines...), "\n") + "\n"
}

// replaceSystemd puts programs in the place of systemctl and journalctl, that do the same for the units
// of this machine.
func (m *machine) replaceSystemd() {
	m.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if err := m.control(strings.Split(r.URL.Path, "/")[1], name); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	m.t.Cleanup(s.Close)
	m.script("systemctl", `exec curl -sS --fail-with-body -X POST "`+s.URL+`/$1/$2"`)
	m.script("journalctl", `[ "$1" = -u ] && exec cat "`+m.path(`$2.log`)+`"; echo "journalctl -u UNIT" >&2; exit 1`)
}

func (m *machine) control(verb, name string) error {
	if verb == "daemon-reload" {
		return m.readDropIns()
	}
	u := m.units[name]
	if u == nil {
		return fmt.Errorf("there is no unit %q", name)
	}
	switch verb {
	case "start":
		return u.start()
	case "stop":
		return u.stop()
	case "restart":
		if err := u.stop(); err != nil {
			return err
		}
		return u.start()
	case "reload":
		return u.reload()
	}
	return fmt.Errorf("systemctl %s is not known", verb)
}

// limitFiles sets the limit on open files of the node from its next start on.
func (m *machine) limitFiles(limit string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files = limit
}

// readDropIns reads LimitNOFILE from the files that systemd adds to the unit of bellhop.
func (m *machine) readDropIns() error {
	names, err := filepath.Glob(m.path("units/bellhop.service.d/*.conf"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		found := regexp.MustCompile(`(?m)^\[Service\]\nLimitNOFILE=(\d+)$`).FindSubmatch(text)
		if found == nil {
			return fmt.Errorf("%s sets no LimitNOFILE: %s", name, text)
		}
		m.files = string(found[1])
	}
	return nil
}

func (m *machine) path(name string) string { return filepath.Join(m.home, name) }

// write writes a file that belongs to the service.
func (m *machine) write(name, text string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(m.path(name), []byte(text), 0o600))
	require.NoError(m.t, os.Chown(m.path(name), serviceUser, serviceUser))
}

// install makes a program of this machine.
func (m *machine) install(name, from string) {
	m.t.Helper()
	require.NoError(m.t, os.Link(from, filepath.Join(m.bin, name)))
}

func (m *machine) script(name, text string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(filepath.Join(m.bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700))
}

// set sets variables, NAME=value, of later commands.
func (m *machine) set(variables ...string) { m.env = append(m.env, variables...) }

// run runs a block of the guide, which must succeed, and returns its output.
func (m *machine) run(b block) string {
	m.t.Helper()
	out, err := m.bash(m.home, b.text)
	require.NoError(m.t, err, "line %d of the guide:\n%s\n%s", b.line, b.text, out)
	return out
}

// sh runs a command of the test, and returns its output without the white space around it.
func (m *machine) sh(command string) string {
	m.t.Helper()
	out, err := m.bash(m.home, command)
	require.NoError(m.t, err, "%s\n%s", command, out)
	return strings.TrimSpace(out)
}

func (m *machine) bash(dir, text string) (string, error) {
	c := exec.CommandContext(m.t.Context(), "bash", "-e", "-c", text)
	c.Dir, c.Env = dir, m.env
	out, err := c.CombinedOutput()
	return string(out), err
}

// begin starts a command that goes on until the end of the test.
func (m *machine) begin(command string) {
	m.t.Helper()
	c := exec.CommandContext(m.t.Context(), "bash", "-e", "-c", command)
	c.Dir, c.Env = m.home, m.env
	require.NoError(m.t, c.Start())
	m.t.Cleanup(func() { _ = c.Wait() }) // the end of the context has killed it
}

// start starts the node and waits until it is ready.
func (m *machine) start() {
	m.t.Helper()
	m.sh("systemctl start bellhop; bellhop health --wait 1m")
}
