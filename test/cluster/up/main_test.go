package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// timeout bounds the wait for an event that must happen. Only a failing test waits this long.
const timeout = time.Minute

// The printed commands work as they are: what is published on one node arrives on another one, and
// all nodes are ready. At the end, nothing listens at the printed addresses. The program runs in any directory.
func TestThePrintedCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	out, w := io.Pipe()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		assert.NoError(t, run(ctx, w))
		assert.NoError(t, w.Close())
	})
	lines := bufio.NewScanner(out)
	var text strings.Builder
	for !strings.Contains(text.String(), "Ctrl-C stops") {
		require.True(t, lines.Scan(), "the program has ended; it has printed:\n%s", &text)
		text.WriteString(lines.Text() + "\n")
	}
	running.Go(func() { _, _ = io.Copy(io.Discard, out) })

	await(t, command(t, text.String(), "listen as Ada"), func(heard *bufio.Scanner) {
		publish := command(t, text.String(), "publish on another one")
		answer, err := exec.CommandContext(ctx, "sh", "-c", publish).CombinedOutput()
		require.NoError(t, err, "%s\n%s", publish, answer)
		arrived := false
		for !arrived && heard.Scan() {
			arrived = strings.Contains(heard.Text(), "from node-1")
		}
		require.True(t, arrived)
	})
	see := command(t, text.String(), "see the cluster")
	require.EventuallyWithT(t, func(t *assert.CollectT) { // a node says once a second whether it is ready
		status, err := exec.CommandContext(ctx, "sh", "-c", see).CombinedOutput()
		require.NoError(t, err, "%s\n%s", see, status)
		for _, name := range []string{"node-1", "node-2", "node-3"} {
			assert.Contains(t, string(status), name)
		}
	}, timeout, 100*time.Millisecond)

	addresses := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(text.String(), -1)
	require.Greater(t, len(addresses), 12, "two of each process, and those in the commands")
	stop()
	running.Wait()
	for _, address := range addresses {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		require.Error(t, err, "a process still listens at %s", address)
	}
}

// command returns the command below the comment that begins with about.
func command(t *testing.T, text, about string) string {
	t.Helper()
	_, after, found := strings.Cut(text, "# "+about)
	require.True(t, found, "%s: no such comment in\n%s", about, text)
	_, after, _ = strings.Cut(after, "\n")
	command, _, _ := strings.Cut(after, "\n\n")
	return command
}

// await runs a command while during reads its output.
func await(t *testing.T, command string, during func(out *bufio.Scanner)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	listening := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	out, err := listening.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, listening.Start())
	defer func() {
		cancel()
		_ = listening.Wait()
	}()
	during(bufio.NewScanner(out))
}
