//go:build linux

package chaos

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process reads its file of settings again when it changes, and at SIGHUP before it says that it
// has reloaded: origins, a limit and the log level change together, and open connections stay.
func TestAProcessReloadsItsSettings(t *testing.T) {
	for name, test := range map[string]struct {
		signals bool
		target  string // of the audit line after which the settings must be in force
	}{
		"at SIGHUP":               {true, `"target":"settings, files of keys and the certificate"`},
		"after the file's change": {false, `"changed":["BELLHOP_ALLOWED_ORIGINS: https://a.example to https://b.example"`},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bellhop.yaml")
			replace := func(text string) {
				require.NoError(t, os.WriteFile(file+".next", []byte(text), 0o600))
				require.NoError(t, os.Rename(file+".next", file))
			}
			replace("allowed_origins: ['https://a.example']\nconnections_per_user: 5\n")
			lines := make(chan string, 1_000)
			p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_CONFIG=" + file, "BELLHOP_DRAIN_WINDOW=0"}}
			p.onLine = func(line string) {
				if strings.Contains(line, `"action":"reload"`) || strings.Contains(line, `"msg":"request"`) {
					lines <- line
				}
			}
			p.start()
			first := p.watch("earliest")
			require.True(t, p.allows("https://a.example"))
			require.False(t, p.allows("https://b.example"))

			replace("allowed_origins: ['https://b.example']\nconnections_per_user: 1\nlog_level: debug\n")
			if test.signals {
				require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
			}
			awaitLine(t, lines, test.target)
			require.False(t, p.allows("https://a.example"))
			require.True(t, p.allows("https://b.example"))
			awaitLine(t, lines, `"level":"DEBUG"`, `"route":"/livez"`)
			require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
			first.until(t, 1)
			p.watch("earliest")
			require.Equal(t, 4409, first.closed(), "the limit of one connection does not hold")
			code, output := p.end(t, syscall.SIGTERM)
			require.Zero(t, code, output)
		})
	}
}

// allows reports whether pages of an origin may read answers.
func (p *process) allows(origin string) bool {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.url+"/livez", http.NoBody)
	require.NoError(p.t, err)
	r.Header.Set("Origin", origin)
	resp, err := http.DefaultClient.Do(r)
	return read(p.t, resp, err).Header.Get("Access-Control-Allow-Origin") == origin
}

// awaitLine waits for a line that has all parts.
func awaitLine(t *testing.T, lines <-chan string, parts ...string) {
	t.Helper()
next:
	for {
		select {
		case line := <-lines:
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue next
				}
			}
			return
		case <-time.After(timeout):
			t.Fatalf("the log has no line with %q", parts)
		}
	}
}
