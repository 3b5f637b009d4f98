//go:build linux

package slowdisk_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/slowdisk"
)

// A disk can be unmounted while another mount namespace has it, too.
func TestACopyOfTheMountDoesNotKeepTheDisk(t *testing.T) {
	holder := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", "echo copied; exec sleep 1000")
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	t.Run("mounted", func(t *testing.T) {
		slowdisk.Mount(t, t.TempDir())
		require.NoError(t, holder.Start())
		line := make([]byte, len("copied\n"))
		_, err := io.ReadFull(out, line)
		require.NoError(t, err)
	})
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())
}

// A program whose writes are synced takes as long as the disk, and its file is kept.
func TestSyncsTakeTheirTime(t *testing.T) {
	const takes = 50 * time.Millisecond
	files := t.TempDir()
	d := slowdisk.Mount(t, files)
	for name, flag := range map[string]string{"syncs each write": "oflag=dsync", "syncs once": "conv=fdatasync"} {
		t.Run(name, func(t *testing.T) {
			write := func() time.Duration {
				begun := time.Now()
				out, err := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+filepath.Join(d.Dir, "file"), "bs=4k", "count=1", flag).CombinedOutput()
				require.NoError(t, err, "%s", out)
				return time.Since(begun)
			}
			d.Slow(1, takes)
			require.GreaterOrEqual(t, write(), takes)
			d.SlowWrites(takes)
			require.GreaterOrEqual(t, write(), takes)
			d.Repair()
			require.Eventually(t, func() bool { return write() < takes }, time.Minute, time.Millisecond)
			written, err := os.ReadFile(filepath.Join(files, "file"))
			require.NoError(t, err)
			require.Len(t, written, 4096)
		})
	}
}
