package cli_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/cli"
)

// On a terminal, serve logs in text, and in a pipe in JSON.
func TestServeLogsTextOnATerminalAndJSONInAPipe(t *testing.T) {
	screen, terminal := pseudoterminal(t)
	reader, writer, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { reader.Close() })
	for _, test := range []struct {
		name     string
		from, to *os.File
		want     string
		not      string
	}{
		{"terminal", screen, terminal, ` level=WARN msg="tokens for any audience are accepted`, `"level":`},
		{"pipe", reader, writer, `"level":"WARN","msg":"tokens for any audience are accepted`, `level=`},
	} {
		t.Run(test.name, func(t *testing.T) {
			logged := make(chan string)
			go func() {
				text, _ := io.ReadAll(test.from) // reading a terminal ends with EIO
				logged <- string(text)
			}()
			code := cli.Main(t.Context(), []string{"serve"}, unservable(), io.Discard, test.to)
			test.to.Close()
			if text := <-logged; code != 1 || !strings.Contains(text, test.want) || strings.Contains(text, test.not) {
				t.Errorf("exit code %d, %q", code, text)
			}
		})
	}
}
