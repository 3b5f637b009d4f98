package cli_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/internal/cli"
)

// pseudoterminal returns both ends of a terminal.
func pseudoterminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { screen.Close() })
	raw, err := screen.SyscallConn()
	must(t, err)
	var number int
	var failed error
	must(t, raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}))
	must(t, failed)
	terminal, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}

// The service sends the second half of the backup only when the terminal shows the progress of
// the first.
func TestATerminalShowsProgress(t *testing.T) {
	b := backupOf(t, 2_000)
	shown := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(b[:len(b)-10])
		w.(http.Flusher).Flush() //nolint:forcetypeassert // net/http's can flush
		<-shown
		_, _ = w.Write(b[len(b)-10:])
	}))
	t.Cleanup(s.Close)
	screen, terminal := pseudoterminal(t)
	go func() {
		defer close(shown)
		lines := bufio.NewReader(screen)
		for {
			line, err := lines.ReadString('\r') // each update begins with it
			if err != nil {
				t.Errorf("the terminal shows no progress: %v", err)
				return
			}
			if strings.Contains(line, " left") {
				return
			}
		}
	}()
	var stdout strings.Builder
	file := filepath.Join(t.TempDir(), "backup")
	code := cli.Main(t.Context(), []string{"backup", "--to", file, "--admin", s.URL}, []string{"TERM=xterm"}, &stdout, terminal)
	if code != 0 || !strings.Contains(stdout.String(), "backup complete") || strings.Contains(stdout.String(), "left") {
		t.Errorf("exit code %d, %q", code, stdout.String())
	}
}

func TestABackupIsNotWrittenToATerminal(t *testing.T) {
	_, terminal := pseudoterminal(t)
	var stderr strings.Builder
	code := cli.Main(t.Context(), []string{"backup", "--to", "-", "--admin", "http://127.0.0.1:1"}, nil, terminal, &stderr)
	if code != 2 || !strings.Contains(stderr.String(), "not written to a terminal") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
