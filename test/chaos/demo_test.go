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

// demo is a `bellhop demo` in a process of its own, and what it has printed.
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
	demoAda     = regexp.MustCompile(`listen --url (\S+) --token (\S+)`)
	demoBackend = regexp.MustCompile(`Authorization: Bearer ([^\s']+)`)
)

// startDemo starts a demo with its temporary files in tmp, and reads what it
// prints to the end.
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
	case said := <-printed:
		url, ada, backend := demoURL.FindStringSubmatch(said), demoAda.FindStringSubmatch(said), demoBackend.FindStringSubmatch(said)
		require.NotNil(t, url, said)
		require.NotNil(t, ada, said)
		require.NotNil(t, backend, said)
		require.Equal(t, url[1], ada[1])
		d.url, d.ada, d.backend = url[1], ada[2], backend[1]
	case <-r.exited:
		t.Fatalf("it has exited (%v): %s", cmd.ProcessState, r.said.String())
	case <-time.After(patience):
		t.Fatal("it says nothing")
	}
	return d
}

// send tells ada something with the command line.
func (d *demo) send(title string) {
	d.t.Helper()
	out, err := exec.Command(d.binary, "send", "--url", d.url, "--token", d.backend,
		"--user", "ada", "--type", "chaos", "--title", title).CombinedOutput()
	require.NoError(d.t, err, "%s", out)
}

var title = regexp.MustCompile(`"title":"([^"]*)"`)

// history returns the titles of what ada is told from the earliest on, as the
// command that the demo prints shows it.
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
		d.t.Fatalf("listen has exited (%v): %s", cmd.ProcessState, r.said.String())
	case <-time.After(patience):
		d.t.Fatal("it is never live")
	}
	code, said := r.end(d.t, syscall.SIGTERM)
	require.Zero(d.t, code, said)
	close(titles)
	var all []string
	for title := range titles {
		all = append(all, title)
	}
	return all
}

// TestDemoKeepsItsNotifications stops a demo with a directory of its own and
// starts another there: what was told is still there, and the new tokens, of a
// new secret, show it.
func TestDemoKeepsItsNotifications(t *testing.T) {
	dir, tmp := filepath.Join(t.TempDir(), "kept"), t.TempDir()
	first := startDemo(t, tmp, "--data-dir", dir)
	first.send("one")
	first.send("two")
	require.Equal(t, []string{"one", "two"}, first.history())
	code, said := first.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)

	second := startDemo(t, tmp, "--data-dir", dir)
	require.NotEqual(t, first.ada, second.ada)
	require.Equal(t, []string{"one", "two"}, second.history())
	second.send("three")
	require.Equal(t, []string{"one", "two", "three"}, second.history())
	code, said = second.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Empty(t, names(t, tmp), "it needs no other directory")
	require.NotEmpty(t, names(t, dir))
}

// TestDemoLeavesNothing stops a demo that was given no directory.
func TestDemoLeavesNothing(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		tmp := t.TempDir()
		d := startDemo(t, tmp)
		d.send("one")
		require.Equal(t, []string{"one"}, d.history())
		require.Len(t, names(t, tmp), 1, "it keeps them somewhere")
		code, said := d.end(t, signal)
		require.Zero(t, code, said)
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
