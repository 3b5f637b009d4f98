//go:build linux

package chaos

import (
	"crypto/rand"
	"errors"
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

// TestDiskFillsUp fills the disk with another file until less than the reserve is free,
// and removes that file again. Promise 1: meanwhile publishing is answered with 503, and
// everything that was answered with 202 can be read. Afterwards publishing works again in
// the same process.
func TestDiskFillsUp(t *testing.T) {
	const size, reserve, other = 160 << 20, 64 << 20, 112 << 20 // another file takes all but 48 MiB
	disk := mount(t, size)
	p := &process{
		t: t, binary: build(t), dir: filepath.Join(disk, "data"),
		env: []string{fmt.Sprintf("BELLHOP_MIN_FREE_BYTES=%d", reserve)},
	}
	p.start()
	var accepted []int
	next := 0
	publish := func() response {
		a := p.publish(next)
		if a.StatusCode == http.StatusAccepted {
			accepted = append(accepted, next)
		}
		next++
		return a
	}
	for range 10 {
		require.Equal(t, http.StatusAccepted, publish().StatusCode)
	}
	require.Equal(t, http.StatusOK, p.get("/readyz").StatusCode)

	filler := filepath.Join(disk, "other")
	require.NoError(t, os.WriteFile(filler, make([]byte, other), 0o600))
	var refused response
	require.Eventually(t, func() bool {
		refused = publish()
		return refused.StatusCode != http.StatusAccepted
	}, timeout, 100*time.Millisecond, "publishing is not refused")
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode, refused.body)
	require.Contains(t, refused.body, "urn:bellhop:problem:unavailable")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	require.Equal(t, http.StatusServiceUnavailable, p.get("/readyz").StatusCode)
	require.Equal(t, http.StatusOK, p.get("/livez").StatusCode)
	require.Equal(t, accepted, p.history()[0], "stored notifications can be read")

	require.NoError(t, os.Remove(filler))
	freed := time.Now()
	require.Eventually(t, func() bool {
		return publish().StatusCode == http.StatusAccepted
	}, timeout, 100*time.Millisecond, "publishing does not resume by itself")
	recovery := time.Since(freed)
	require.Equal(t, http.StatusOK, p.get("/readyz").StatusCode)
	require.Equal(t, accepted, p.history()[0])
	require.True(t, p.alive())

	p.kill()
	p.start()
	require.Equal(t, accepted, p.history()[0], "after a restart")
	record(t, result{
		fault: "disk full, by another file", load: fmt.Sprintf("1 publisher; %d publishes were refused with 503", next-len(accepted)),
		Outcome: compare(accepted, p.history()[0]), recovery: recovery,
	})
}

// TestStoreFailsUnderLoad fills the disk to the last byte while clients publish, so that the store fails
// and the process ends. Promise 1: everything that was answered with 202 is there after a restart.
// Each request has an answer: 503, and not a connection that ends.
func TestStoreFailsUnderLoad(t *testing.T) {
	const publishers = 8
	disk := mount(t, 64<<20)
	p := &process{t: t, binary: build(t), dir: filepath.Join(disk, "data"), env: []string{"BELLHOP_MIN_FREE_BYTES=0"}}
	p.start()
	w := p.watch("earliest")
	closed := make(chan int, 1)
	go func() { closed <- w.closed() }()
	type outcome struct {
		accepted []int
		last     response
		err      error // of a request without an answer
	}
	outcomes, begun := make(chan outcome, publishers), make(chan struct{}, publishers)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: publishers}}
	defer client.CloseIdleConnections()
	for publisher := range publishers {
		go func() {
			var o outcome
			for n := publisher; ; n += publishers {
				random := make([]byte, 4000) // cannot be compressed
				_, _ = rand.Read(random)
				o.last, o.err = p.tryPost(client, fmt.Sprintf(
					`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d,"random":"%x"}}`, n, random))
				if n == publisher {
					begun <- struct{}{}
				}
				if o.err != nil || o.last.StatusCode != http.StatusAccepted {
					outcomes <- o
					return
				}
				o.accepted = append(o.accepted, n)
			}
		}()
	}
	for range publishers {
		<-begun
	}
	undo := fill(t, disk, 0)
	var accepted []int
	unknown := 0
	for range publishers {
		o := <-outcomes
		accepted = append(accepted, o.accepted...)
		if errors.Is(o.err, syscall.ECONNREFUSED) {
			continue // it came when the process had ended
		}
		require.NoError(t, o.err, "a request has no answer")
		require.Equal(t, http.StatusServiceUnavailable, o.last.StatusCode, o.last.body)
		if strings.Contains(o.last.body, "urn:bellhop:problem:outcome-unknown") {
			unknown++
		}
	}
	require.NotZero(t, unknown, "at least one entry was in the commit that failed")
	require.Equal(t, 1011, <-closed)
	code, output := p.wait(t)
	require.Equal(t, 1, code, output)
	require.Contains(t, output, "the store has failed; the process exits")
	undo()
	p.start()
	require.Subset(t, p.history()[0], accepted)
}

// TestStartOnAFullDisk fills a small disk to the last byte, or to its last inode,
// before a process starts on it. The process reports the full disk and exits. It
// starts again when space has been freed, with everything that was stored.
func TestStartOnAFullDisk(t *testing.T) {
	const size = 160 << 20
	for name, test := range map[string]struct {
		options string
		stored  bool // whether a killed process has left a store
		left    int  // free bytes
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
					require.Equal(t, http.StatusAccepted, p.publish(n).StatusCode)
					want = append(want, n)
				}
				p.kill()
			}
			undo := fill(t, disk, test.left)
			cmd := p.serve()
			code, output := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
			require.Equal(t, 1, code, output)
			require.Regexp(t, "free some space|no space left on device", output)
			require.NotContains(t, output, "listening")
			undo()
			p.start()
			require.Equal(t, want, p.history()[0])
		})
	}
}

// TestStartOnADiskThatFillsUp starts a process on a disk with enough free space to open
// the store, but not to replay the log that a killed process has left.
func TestStartOnADiskThatFillsUp(t *testing.T) {
	disk := mount(t, 64<<20)
	p := &process{t: t, binary: build(t), dir: filepath.Join(disk, "data"), env: []string{"BELLHOP_MIN_FREE_BYTES=0"}}
	p.start()
	const most = 400
	random := make([]byte, 5000) // cannot be compressed
	for n := range most {
		_, _ = rand.Read(random)
		require.Equal(t, http.StatusAccepted, p.post(fmt.Sprintf(
			`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d,"random":"%x"}}`, n, random)).StatusCode)
	}
	p.kill()
	undo := fill(t, disk, 2<<20)
	cmd := p.serve()
	code, output := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
	require.Equal(t, 1, code, output)
	require.Contains(t, output, "open the store in "+p.dir)
	require.Contains(t, output, "no space left on device")
	require.NotContains(t, output, "listening")
	undo()
	p.start()
	require.Len(t, p.history()[0], most)
}

// fill fills a disk until only left bytes are free or no file can be created. It
// returns a function that frees the space.
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
			break // the number of inodes is not the limit
		}
		err = os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), make([]byte, size), 0o600)
	}
	return func() { require.NoError(t, os.RemoveAll(dir)) }
}

// TestReserveLargerThanTheDisk starts a process whose reserve can never be free. The
// process refuses publishing, serves everything else and reports why it is not ready.
func TestReserveLargerThanTheDisk(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: mount(t, 160<<20)} // the default reserve is 256 MiB
	messages := make(chan string, 100)
	p.onLog = func(msg string) { messages <- msg }
	p.start()
	a := p.get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.body, "urn:bellhop:problem:unavailable")
	require.Equal(t, http.StatusServiceUnavailable, p.publish(0).StatusCode)
	require.Equal(t, http.StatusOK, p.get("/livez").StatusCode)
	for msg := range messages { // the warning is logged before "listening"
		if strings.HasPrefix(msg, "BELLHOP_MIN_FREE_BYTES is more than the whole disk") {
			return
		}
		require.NotEqual(t, "listening", msg)
	}
}

// TestUnusableDataDirectoryIsAnError tries data directories that cannot be created or
// written.
func TestUnusableDataDirectoryIsAnError(t *testing.T) {
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
		code, output := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
		require.Equal(t, 1, code, output)
		require.Contains(t, output, want)
		require.Contains(t, output, dir)
	}
}

// mount returns the mount point of a new file system with a size in bytes.
func mount(t *testing.T, size int) string {
	t.Helper()
	return mountWith(t, fmt.Sprintf("size=%d", size))
}

func mountWith(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "bellhop-chaos", dir).CombinedOutput()
	require.NoError(t, err, "This test fills a small disk of its own. It mounts a tmpfs, which needs root, "+
		"and in a container --cap-add=SYS_ADMIN. Run the tests as root on Linux. Output of mount: %s", out)
	t.Cleanup(func() {
		out, err := exec.Command("umount", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return dir
}
