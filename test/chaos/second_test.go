package chaos

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecondProcess starts a second process on the directory of the first. It
// exits with a message that says what is wrong, and the first goes on unharmed.
func TestSecondProcess(t *testing.T) {
	first := &process{t: t, binary: build(t), dir: t.TempDir()}
	first.start()
	require.Equal(t, http.StatusAccepted, first.tell(0).StatusCode)
	watcher := first.watch("earliest")
	watcher.until(t, 1)

	for range 3 { // nor does trying again help
		cmd := first.serve()
		code, said := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
		require.Equal(t, 1, code, said)
		require.Contains(t, said, first.dir)
		require.Contains(t, said, "another process is using the data directory")
		require.NotContains(t, said, "listening")
	}

	require.True(t, first.alive())
	require.Equal(t, http.StatusAccepted, first.tell(1).StatusCode)
	watcher.until(t, 2)
	require.Equal(t, http.StatusOK, first.get("/readyz").StatusCode)
	first.kill()
	first.start() // a lock that outlived its process would say so here
	require.Equal(t, []int{0, 1}, first.history()[0])
}
