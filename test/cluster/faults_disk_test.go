package cluster

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
	"github.com/bellhop/bellhop/test/traffic"
)

// diskSize is the size of the small disk. What the servers have stored before takes less.
const diskSize = "size=384m"

// diskFaults are those of the disks of NATS servers.
func diskFaults() []fault {
	return []fault{
		{name: "the disk of " + one() + " is full", strike: func(t *testing.T, c *cluster, l *traffic.Load) {
			c.each(t, l, 1, func(s *natsserver.Server) { c.fillDisk(t, s, l) })
		}},
	}
}

// fillDisk moves the files of a server to a small disk, fills it, empties it again, and moves the
// files back.
func (c *cluster) fillDisk(t *testing.T, s *natsserver.Server, l *traffic.Load) {
	t.Helper()
	s.Stop(t)
	unmount := mountOver(t, s.StoreDir)
	defer func() { // also if the test fails here
		if s.Running() {
			s.Stop(t)
		}
		unmount()
		s.Start(t)
	}()
	s.Start(t)
	c.waitReplicas()
	c.recovered()
	filler := filepath.Join(s.StoreDir, "filler")
	fill(t, filler)
	require.Eventually(t, func() bool { return strings.Contains(s.Log(t), "no space left") }, timeout, 50*time.Millisecond, "%s does not notice it", s.Name)
	l.Grows(t)
	require.NoError(t, os.Remove(filler))
	if !strings.Contains(s.Log(t), "will be DISABLED") {
		c.waitReplicas()
		c.note("%s goes on by itself when there is space", s.Name)
		return
	}
	s.Stop(t)
	s.Start(t)
	c.waitReplicas()
	c.note("%s gives up JetStream until an operator has made space and started it again", s.Name)
}

// mountOver mounts a small disk over a directory, with the same files. unmount brings the
// directory back, with the files that the disk has then.
func mountOver(t *testing.T, dir string) (unmount func()) {
	t.Helper()
	kept := dir + ".kept"
	require.NoError(t, os.Rename(dir, kept))
	require.NoError(t, os.Mkdir(dir, 0o700))
	command(t, "mount", "-t", "tmpfs", "-o", diskSize, "bellhop-cluster", dir)
	command(t, "cp", "-a", kept+"/.", dir)
	return func() {
		require.NoError(t, os.RemoveAll(kept))
		command(t, "cp", "-a", dir, kept)
		command(t, "umount", dir)
		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.Rename(kept, dir))
	}
}

// command runs a program, which must succeed. It needs root to mount a disk.
func command(t *testing.T, words ...string) {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	require.NoError(t, err, "%s: %s\nThis test mounts a small disk, which needs root, and in a container --privileged.", words, out)
}

// fill writes a file that takes all space of its disk.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 1<<20); err == nil; {
		if _, err = f.Write(block); errors.Is(err, syscall.ENOSPC) && len(block) > 1 {
			block, err = block[:len(block)/2], nil
		}
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}
