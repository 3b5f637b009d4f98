package chaos

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

// TestStartOnAFullDisk fills a small disk to the last byte, or to its last file,
// before a process starts on it. The process says that it is full and exits, and
// starts once there is room again, with all that was stored.
func TestStartOnAFullDisk(t *testing.T) {
	const size = 160 << 20
	for name, test := range map[string]struct {
		options string
		stored  bool // by a process that was killed before
		left    int  // bytes
	}{
		"new store, no byte free":    {fmt.Sprintf("size=%d", size), false, 0},
		"store, no byte free":        {fmt.Sprintf("size=%d", size), true, 0},
		"store, little free":         {fmt.Sprintf("size=%d", size), true, 64 << 10},
		"new store, no file free":    {fmt.Sprintf("size=%d,nr_inodes=40", size), false, size},
		"store, no file free":        {fmt.Sprintf("size=%d,nr_inodes=40", size), true, size},
		"store, no byte free at all": {fmt.Sprintf("size=%d", 40<<20), true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			disk := mountWith(t, test.options)
			p := &process{t: t, binary: build(t), dir: filepath.Join(disk, "data"), env: []string{"BELLHOP_MIN_FREE_BYTES=0"}}
			var want []int
			if test.stored {
				p.start()
				for n := range 10 {
					require.Equal(t, http.StatusAccepted, p.tell(n).StatusCode)
					want = append(want, n)
				}
				p.kill()
			}
			undo := fill(t, disk, test.left)
			cmd := p.serve()
			code, said := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
			require.Equal(t, 1, code, said)
			require.Regexp(t, "free some space|no space left on device", said)
			require.NotContains(t, said, "listening")
			undo()
			p.start()
			require.Equal(t, want, p.history()[0])
		})
	}
}

// TestStartOnADiskThatFillsUp starts a process on a disk that has enough free to
// begin with and not enough for what the process that was killed left in its log.
func TestStartOnADiskThatFillsUp(t *testing.T) {
	disk := mount(t, 64<<20)
	p := &process{t: t, binary: build(t), dir: filepath.Join(disk, "data"), env: []string{"BELLHOP_MIN_FREE_BYTES=0"}}
	p.start()
	const most = 400
	random := make([]byte, 5000) // which cannot be compressed
	for n := range most {
		_, _ = rand.Read(random)
		require.Equal(t, http.StatusAccepted, p.post(fmt.Sprintf(
			`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d,"random":"%x"}}`, n, random)).StatusCode)
	}
	p.kill()
	undo := fill(t, disk, 2<<20)
	cmd := p.serve()
	code, said := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
	require.Equal(t, 1, code, said)
	require.Contains(t, said, "open the store in "+p.dir)
	require.Contains(t, said, "no space left on device")
	require.NotContains(t, said, "listening")
	undo()
	p.start()
	require.Len(t, p.history()[0], most)
}

// fill has a disk filled until so many bytes are left, or no file can be made, and
// returns what makes room again.
func fill(t *testing.T, disk string, left int) (undo func()) {
	t.Helper()
	dir := filepath.Join(disk, "other")
	require.NoError(t, os.Mkdir(dir, 0o700))
	var err error
	for n := 0; err == nil; n++ {
		var stat syscall.Statfs_t
		require.NoError(t, syscall.Statfs(disk, &stat))
		size := max(0, int(stat.Bavail)*int(stat.Bsize)-left)
		if n > 0 && stat.Ffree > 1000 {
			break // the disk has no end of files
		}
		err = os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), make([]byte, size), 0o600)
	}
	return func() { require.NoError(t, os.RemoveAll(dir)) }
}

// TestAReserveLargerThanTheDisk is a setting by which nothing can be published. The
// process serves what it can and says why it is not ready.
func TestAReserveLargerThanTheDisk(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: mount(t, 160<<20)} // the default reserve is 256 MiB
	said := make(chan string, 100)
	p.heard = func(msg string) { said <- msg }
	p.start()
	a := p.get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.body, "urn:bellhop:problem:unavailable")
	require.Equal(t, http.StatusServiceUnavailable, p.tell(0).StatusCode)
	require.Equal(t, http.StatusOK, p.get("/livez").StatusCode)
	for msg := range said { // it was written before the process listened
		if strings.HasPrefix(msg, "BELLHOP_MIN_FREE_BYTES is more than the whole disk") {
			return
		}
		require.NotEqual(t, "listening", msg)
	}
}

// TestADataDirectoryThatCannotBeUsed tries places at which no store can be.
func TestADataDirectoryThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	readOnly := mount(t, 16<<20)
	out, err := exec.Command("mount", "-o", "remount,ro", readOnly).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for dir, want := range map[string]string{
		file:                            "not a directory",
		filepath.Join(file, "data"):     "not a directory",
		readOnly:                        "read-only file system",
		filepath.Join(readOnly, "data"): "read-only file system",
		"/proc/data":                    "no such file or directory",
	} {
		p := &process{t: t, binary: build(t), dir: dir}
		cmd := p.serve()
		code, said := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
		require.Equal(t, 1, code, said)
		require.Contains(t, said, want)
		require.Contains(t, said, dir)
	}
}

// mount returns a directory that is a disk of its own.
func mount(t *testing.T, size int) string {
	t.Helper()
	return mountWith(t, fmt.Sprintf("size=%d", size))
}

func mountWith(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "bellhop-chaos", dir).CombinedOutput()
	require.NoError(t, err, "This test fills a disk, and needs a small one of its own: it mounts a tmpfs, which only root may, "+
		"in a container with --cap-add=SYS_ADMIN. Run the tests as root on Linux. mount says: %s", out)
	t.Cleanup(func() {
		out, err := exec.Command("umount", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return dir
}
