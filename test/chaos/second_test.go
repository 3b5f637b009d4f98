//go:build linux

package chaos

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecondProcessOnTheSameDirectoryExits starts a second process on the directory of the first. It
// exits with an error that names the directory, and the first goes on undisturbed.
func TestSecondProcessOnTheSameDirectoryExits(t *testing.T) {
	first := &process{t: t, binary: build(t), dir: t.TempDir()}
	first.start()
	require.Equal(t, http.StatusAccepted, first.publish(0).StatusCode)
	watcher := first.watch("earliest")
	watcher.until(t, 1)

	for range 3 { // further attempts fail too
		cmd := first.serve()
		code, output := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
		require.Equal(t, 1, code, output)
		require.Contains(t, output, first.dir)
		require.Contains(t, output, "another process is using the data directory")
		require.NotContains(t, output, "listening")
	}

	require.True(t, first.alive())
	require.Equal(t, http.StatusAccepted, first.publish(1).StatusCode)
	watcher.until(t, 2)
	require.Equal(t, http.StatusOK, first.get("/readyz").StatusCode)
	first.kill()
	first.start() // fails if the lock has outlived its process
	require.Equal(t, []int{0, 1}, first.history()[0])
}
