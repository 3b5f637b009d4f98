//go:build linux

package guide

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// fullDisk fills a small disk, first with the file of another program, then with notifications. Publishing
// is refused until the commands of the guide have made space, and then works again.
func fullDisk(t *testing.T, c chapter) {
	disk := mount(t, "192m")
	require.NoError(t, os.Chown(disk, serviceUser, serviceUser))
	m := newMachine(t, "data_dir: "+filepath.Join(disk, "data"), "min_free_bytes: 32MiB", "notifications_per_user: 1000000")
	m.set("DATA="+filepath.Join(disk, "data"), "LIMIT=4MB")
	m.start()
	m.send("ada", 3)
	old := filepath.Join(disk, "old-backup.tar.zst")
	m.sh(`fallocate -l $(($(df --output=avail -B1 "$DATA" | tail -n 1) - 24*1024*1024)) ` + old)
	publish := func() int { return m.withToken(token(t, "backend", notify.ScopePublish)) }
	eventually(t, http.StatusServiceUnavailable, publish)
	_, answer := m.post("/notify", draft, "Authorization", "Bearer "+token(t, "backend", notify.ScopePublish))
	require.Contains(t, answer, "urn:bellhop:problem:unavailable")
	require.Contains(t, answer, "disk")
	shown := m.run(c.next())
	require.Contains(t, shown, "bellhop_disk_free_bytes")
	require.Contains(t, shown, old, "the largest file is named")
	require.NoError(t, os.Remove(old))
	eventually(t, http.StatusAccepted, publish)

	eventually(t, http.StatusServiceUnavailable, m.fill)
	m.run(c.next())
	eventually(t, http.StatusAccepted, publish)
	require.NotContains(t, m.inbox("ada"), `"title":"0"`, "the oldest are removed")
}

// fill publishes large notifications that cannot be compressed, then a small one, and returns the status of
// that.
func (m *machine) fill() int {
	m.t.Helper()
	const batch, size = 50, 11 << 10
	drafts := make([]string, batch)
	text := make([]byte, size)
	for i := range drafts {
		_, _ = rand.Read(text)
		drafts[i] = fmt.Sprintf(`{"to":{"users":["ada"]},"type":"test","title":"large","data":{"filler":%q}}`, base64.StdEncoding.EncodeToString(text))
	}
	backend := token(m.t, "backend", notify.ScopePublish)
	m.post("/notify/batch", `{"notifications":[`+strings.Join(drafts, ",")+`]}`, "Authorization", "Bearer "+backend)
	return m.withToken(backend)
}

// mount returns the mount point of a small disk.
func mount(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // the user of the service must get there
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "bellhop-guide", dir).CombinedOutput()
	require.NoError(t, err, "This test mounts a small disk, which needs root on Linux, and in a container --cap-add=SYS_ADMIN: %s", out)
	t.Cleanup(func() {
		out, err := exec.Command("umount", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return dir
}
