//go:build linux

package chaos

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// demo is a running `bellhop demo` with the URL and the tokens that it printed.
type demo struct {
	*running
	t       *testing.T
	binary  string
	url     string
	ada     string // tokens
	backend string
}

var (
	demoURL     = regexp.MustCompile(`open (http://\S+)/`)
	demoAda     = regexp.MustCompile(`listen --url (\S+) --token (\S+) --cursor earliest`)
	demoBackend = regexp.MustCompile(`Authorization: Bearer ([^\s']+)`)
)

// startDemo starts a demo with its temporary files in tmp, and reads its output up to
// the last line of the introduction.
func startDemo(t *testing.T, tmp string, args ...string) *demo {
	t.Helper()
	binary := build(t)
	cmd := exec.Command(binary, append([]string{"demo", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stderr = os.Stderr
	printed := make(chan string, 1)
	var text strings.Builder
	r := run(t, cmd, cmd.StdoutPipe, func(line []byte) {
		text.Write(line)
		text.WriteByte('\n')
		if strings.Contains(string(line), "Ctrl-C") {
			printed <- text.String()
		}
	})
	d := &demo{running: r, t: t, binary: binary}
	select {
	case output := <-printed:
		url, ada, backend := demoURL.FindStringSubmatch(output), demoAda.FindStringSubmatch(output), demoBackend.FindStringSubmatch(output)
		require.NotNil(t, url, output)
		require.NotNil(t, ada, output)
		require.NotNil(t, backend, output)
		require.Equal(t, url[1], ada[1])
		d.url, d.ada, d.backend = url[1], ada[2], backend[1]
	case <-r.exited:
		t.Fatalf("the demo has exited (%v): %s", cmd.ProcessState, r.output.String())
	case <-time.After(timeout):
		t.Fatal("the demo prints no introduction")
	}
	return d
}

// send publishes a notification to ada with `bellhop send`.
func (d *demo) send(title string) {
	d.t.Helper()
	out, err := exec.Command(d.binary, "send", "--url", d.url, "--token", d.backend,
		"--user", "ada", "--type", "chaos", "--title", title).CombinedOutput()
	require.NoError(d.t, err, "%s", out)
}

var title = regexp.MustCompile(`"title":"([^"]*)"`)

// history returns the titles of ada's notifications, as printed by `bellhop listen`
// with the arguments that the demo suggests.
func (d *demo) history() []string {
	d.t.Helper()
	cmd := exec.Command(d.binary, "listen", "--url", d.url, "--token", d.ada, "--cursor", "earliest", "--json")
	titles := make(chan string, 100)
	live := make(chan struct{}, 1)
	r := run(d.t, cmd, cmd.StdoutPipe, func(line []byte) {
		if m := title.FindSubmatch(line); m != nil {
			titles <- string(m[1])
		} else if strings.Contains(string(line), `"event":"live"`) {
			live <- struct{}{}
		}
	})
	select {
	case <-live:
	case <-r.exited:
		d.t.Fatalf("listen has exited (%v): %s", cmd.ProcessState, r.output.String())
	case <-time.After(timeout):
		d.t.Fatal("listen receives no live event")
	}
	code, output := r.end(d.t, syscall.SIGTERM)
	require.Zero(d.t, code, output)
	close(titles)
	var all []string
	for title := range titles {
		all = append(all, title)
	}
	return all
}

// TestDemoKeepsItsNotifications stops a demo that has a data directory and starts
// another one there. Its notifications are still there and can be read with the new
// tokens, which are signed with a new secret.
func TestDemoKeepsItsNotifications(t *testing.T) {
	dir, tmp := filepath.Join(t.TempDir(), "kept"), t.TempDir()
	first := startDemo(t, tmp, "--data-dir", dir)
	first.send("one")
	first.send("two")
	require.Equal(t, []string{"one", "two"}, first.history())
	code, output := first.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)

	second := startDemo(t, tmp, "--data-dir", dir)
	require.NotEqual(t, first.ada, second.ada)
	require.Equal(t, []string{"one", "two"}, second.history())
	second.send("three")
	require.Equal(t, []string{"one", "two", "three"}, second.history())
	code, output = second.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
	require.Empty(t, names(t, tmp), "no temporary directory is created")
	require.NotEmpty(t, names(t, dir))
}

// TestDemoRemovesItsTemporaryFiles stops a demo without a data directory.
func TestDemoRemovesItsTemporaryFiles(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		tmp := t.TempDir()
		d := startDemo(t, tmp)
		d.send("one")
		require.Equal(t, []string{"one"}, d.history())
		require.Len(t, names(t, tmp), 1, "the demo stores notifications in a temporary directory")
		code, output := d.end(t, signal)
		require.Zero(t, code, output)
		require.Empty(t, names(t, tmp), "after %v", signal)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
