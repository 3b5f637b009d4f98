package chaos

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDiskFillsUp lets somebody else fill the disk until there is less room
// than the reserve, and then make room again. Promise 1: publishing is answered
// 503 meanwhile, what was answered 202 stays and can be read, and publishing
// goes on by itself in the same process.
func TestDiskFillsUp(t *testing.T) {
	const size, reserve, other = 160 << 20, 64 << 20, 112 << 20 // all but 48 MiB go to somebody else
	disk := mount(t, size)
	p := &process{
		t: t, binary: build(t), dir: filepath.Join(disk, "data"),
		env: []string{fmt.Sprintf("BELLHOP_MIN_FREE_BYTES=%d", reserve)},
	}
	p.start()
	var answered []int
	next := 0
	tell := func() answer {
		a := p.tell(next)
		if a.StatusCode == http.StatusAccepted {
			answered = append(answered, next)
		}
		next++
		return a
	}
	for range 10 {
		require.Equal(t, http.StatusAccepted, tell().StatusCode)
	}
	require.Equal(t, http.StatusOK, p.get("/readyz").StatusCode)

	filler := filepath.Join(disk, "other")
	require.NoError(t, os.WriteFile(filler, make([]byte, other), 0o600))
	var refused answer
	require.Eventually(t, func() bool {
		refused = tell()
		return refused.StatusCode != http.StatusAccepted
	}, patience, 100*time.Millisecond, "publishing goes on")
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode, refused.body)
	require.Contains(t, refused.body, "urn:bellhop:problem:unavailable")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	require.Equal(t, http.StatusServiceUnavailable, p.get("/readyz").StatusCode)
	require.Equal(t, http.StatusOK, p.get("/livez").StatusCode)
	require.Equal(t, answered, p.history()[0], "what was stored can be read")

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool {
		return tell().StatusCode == http.StatusAccepted
	}, patience, 100*time.Millisecond, "it does not go on by itself")
	require.Equal(t, http.StatusOK, p.get("/readyz").StatusCode)
	require.Equal(t, answered, p.history()[0])
	require.True(t, p.alive())

	p.kill()
	p.start()
	require.Equal(t, answered, p.history()[0], "after a restart")
	t.Logf("%d were answered 202, and %d refused", len(answered), next-len(answered))
}

// mount returns a directory that is a disk of its own.
func mount(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", size), "bellhop-chaos", dir).CombinedOutput()
	require.NoError(t, err, "This test fills a disk, and needs a small one of its own: it mounts a tmpfs, which only root may, "+
		"in a container with --cap-add=SYS_ADMIN. Run the tests as root on Linux. mount says: %s", out)
	t.Cleanup(func() {
		out, err := exec.Command("umount", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return dir
}
