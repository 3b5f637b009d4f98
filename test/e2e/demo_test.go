package e2e

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cli"
)

// demo runs `bellhop demo` in the process of the test, and returns the operator of its console. end
// interrupts it, and returns its exit code and what it has written to stderr.
func demo(t *testing.T, args ...string) (o *operator, end func() (code int, stderr string)) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	stdout, written := io.Pipe()
	var stderr strings.Builder
	exited := make(chan int, 1)
	args = append([]string{"demo", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir()}, args...)
	go func() {
		exited <- cli.Main(ctx, args, nil, written, &stderr)
		written.Close()
	}()
	t.Cleanup(interrupt)
	var text strings.Builder
	for address := regexp.MustCompile(`(?m)^console: (http://\S+)/console$`); ; {
		part := make([]byte, 4<<10)
		n, err := stdout.Read(part)
		text.Write(part[:n])
		if found := address.FindStringSubmatch(text.String()); found != nil {
			o = &operator{t, found[1], http.DefaultClient, []string{"Bellhop-Console", "1"}, func() {}}
			break
		}
		require.NoError(t, err, "%s", &text)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // until the demo has exited
	return o, func() (int, string) {
		interrupt()
		return <-exited, stderr.String()
	}
}

// A demo shows its console with something to see, and the users of its page see nothing of that.
func TestTheDemoHasTraffic(t *testing.T) {
	o, end := demo(t)
	f := o.watch()
	seen := map[string]bool{}
	f.until("sample", func(sample map[string]any) bool {
		for _, group := range []string{"publishes", "refusals"} {
			counts, _ := sample[group].(map[string]any)
			for name := range counts {
				seen[group], seen[name] = true, true
			}
		}
		connected := in(sample, "connections", "websocket") >= 5 && in(sample, "connections", "events") >= 1
		return connected && in(sample, "deliveries") > 0 && seen["stored"] && seen["ephemeral"] && seen["refusals"]
	})
	for _, user := range []string{"ada", "grace"} {
		a := o.do("GET", "/console/api/users/"+user+"/inbox?state=all", "")
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		require.Empty(t, a.json(t)["items"], user)
	}
	a := o.do("GET", "/console/api/users/katherine/inbox?state=all", "")
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.Contains(t, string(o.do("GET", "/console", "").body), "<!doctype html>")
	code, stderr := end()
	require.Zero(t, code)
	require.Empty(t, stderr)
	f.ends()
}

func TestTheTrafficOfTheDemoCanBeTurnedOff(t *testing.T) {
	o, end := demo(t, "--traffic=false")
	f := o.watch()
	for range 3 { // with traffic, there are about five publishes in each second
		sample := f.until("sample", func(map[string]any) bool { return true })
		require.Empty(t, sample["publishes"])
		require.Empty(t, sample["refusals"])
		require.Zero(t, in(sample, "opened"))
	}
	code, _ := end()
	require.Zero(t, code)
}
