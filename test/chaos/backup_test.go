//go:build linux

package chaos

import (
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/natsserver"
)

// command starts a bellhop command.
func (p *process) command(args ...string) *running {
	p.t.Helper()
	cmd := exec.Command(p.binary, args...)
	return run(p.t, cmd, cmd.StderrPipe, func([]byte) {})
}

// hasFile reports whether a file of the data directory exists.
func (p *process) hasFile(name string) bool {
	_, err := os.Stat(filepath.Join(p.dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// backsUp writes a backup of the process. The service may still be occupied with an earlier one,
// whose client was killed.
func (p *process) backsUp(file string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		code, output := p.command("backup", "--to", file, "--admin", p.admin).wait(p.t)
		require.True(p.t, code == 0 || strings.Contains(output, "another backup is running"), "%s", output)
		return code == 0
	}, timeout, 10*time.Millisecond)
}

// restored returns the process of a service with the store of a backup.
func (p *process) restored(file string) *process {
	p.t.Helper()
	r := &process{t: p.t, binary: p.binary, dir: filepath.Join(p.t.TempDir(), "restored")}
	code, output := r.command("restore", "--from", file, "--data-dir", r.dir).wait(p.t)
	require.Zero(p.t, code, "%s", output)
	r.start()
	return r
}

// TestKillDuringABackup kills the service or the command with SIGKILL at random moments while a
// backup is written. A file under the final name is always a whole backup. The service keeps
// everything and no copy, and the next backup succeeds.
func TestKillDuringABackup(t *testing.T) {
	const notifications, kills = 200, 10
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.start()
	p.fill(notifications)
	want := p.history()
	require.Len(t, want[0], notifications)
	file := filepath.Join(t.TempDir(), "backup")
	complete := 0
	for round := range kills {
		backup := p.command("backup", "--to", file, "--admin", p.admin)
		require.Eventually(t, func() bool {
			return p.hasFile("backup.copy") || p.hasFile("backup.copy.partial") || !backup.alive()
		}, timeout, time.Millisecond)
		<-time.After(time.Duration(mathrand.IntN(150)) * time.Millisecond) // the moment of the fault
		if round%2 == 0 {
			_ = backup.cmd.Process.Kill() // unless it has exited
			<-backup.exited
		} else {
			p.kill()
			code, _ := backup.wait(t)
			require.Equal(t, !isMissing(file), code == 0, "the exit code says whether there is a backup")
			p.start()
			require.False(t, p.hasFile("backup.copy"))
			require.False(t, p.hasFile("backup.copy.partial"))
		}
		if !isMissing(file) {
			complete++
			requireWhole(t, file)
			require.NoError(t, os.Remove(file))
		}
	}
	t.Logf("%d of %d kills have interrupted a backup", kills-complete, kills)
	p.backsUp(file)
	require.Equal(t, want, p.history())
	require.Eventually(t, func() bool { return !p.hasFile("backup.copy") }, timeout, time.Millisecond)
	p.kill()
	r := p.restored(file)
	require.Equal(t, want, r.history())
	r.kill()
}

// TestABackupOfANode restores the backup of a node of a cluster, and a checkpoint that NATS's own
// tools have read: a node follows the journal with the one, and another goes on alone with the other.
func TestABackupOfANode(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := replica(t, servers, "first")
	first.start()
	first.waitUntilReady()
	first.fill(50)
	writeCheckpoint(t, servers)
	dir := t.TempDir()
	backup, checkpoint := filepath.Join(dir, "backup"), filepath.Join(dir, "checkpoint")
	first.backsUp(backup)
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	bucket, err := js.ObjectStore(t.Context(), "BELLHOP_CHECKPOINTS")
	require.NoError(t, err)
	objects, err := bucket.List(t.Context())
	require.NoError(t, err)
	require.NoError(t, bucket.GetFile(t.Context(), objects[0].Name, checkpoint))
	want := first.history()
	require.Len(t, want[0], 50)
	require.Equal(t, http.StatusAccepted, first.publish(50).StatusCode) // is not in the backup

	second := replica(t, servers, "second")
	second.dir = filepath.Join(dir, "second")
	code, output := second.command("restore", "--from", backup, "--data-dir", second.dir).wait(t)
	require.Zero(t, code, "%s", output)
	second.start()
	second.waitUntilReady()
	require.Equal(t, first.history(), second.history())
	require.Len(t, second.history()[0], 51)
	second.kill()
	require.NotContains(t, second.output.String(), "a checkpoint replaces the store")
	first.kill()
	alone := first.restored(checkpoint)
	require.Equal(t, want, alone.history())
	alone.kill()
}

func isMissing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

func requireWhole(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	_, err = store.CheckBackup(t.Context(), f, nil)
	require.NoError(t, err)
}

// TestKillDuringTheRestoreOfABackup kills bellhop restore with SIGKILL when it has read a part of
// the backup, and at random moments. The service does not start with an empty or incomplete store,
// and the command can be run again.
func TestKillDuringTheRestoreOfABackup(t *testing.T) {
	const notifications = 200
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.start()
	p.fill(notifications)
	file := filepath.Join(t.TempDir(), "backup")
	p.backsUp(file)
	want := p.history()
	p.kill()
	backup, err := os.ReadFile(file)
	require.NoError(t, err)

	r := &process{t: t, binary: p.binary, dir: filepath.Join(t.TempDir(), "restored")}
	for _, part := range []int{len(backup) / 3, len(backup) / 2, len(backup) - 1} {
		cmd := exec.Command(p.binary, "restore", "--from", "-", "--data-dir", r.dir)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		restore := run(t, cmd, cmd.StderrPipe, func([]byte) {})
		_, err = in.Write(backup[:part])
		require.NoError(t, err)
		require.Eventually(t, func() bool { return r.hasFile("restore.backup/copy/store") }, timeout, time.Millisecond)
		require.NoError(t, restore.cmd.Process.Kill())
		<-restore.exited
		require.False(t, r.hasFile("store"))
		require.False(t, r.startOrExit(), "the service starts with an empty store")
		require.Contains(t, r.output.String(), "run bellhop restore again")
	}
	interrupted := 0
	for range 5 {
		restore := r.command("restore", "--from", file, "--data-dir", r.dir)
		<-time.After(time.Duration(mathrand.IntN(60)) * time.Millisecond) // the moment of the fault
		_ = restore.cmd.Process.Kill()                                    // unless it has exited
		<-restore.exited
		if r.hasFile("store") {
			r.start()
			require.Equal(t, want, r.history())
			require.False(t, r.hasFile("restore.backup"))
			r.kill()
			require.NoError(t, os.RemoveAll(r.dir))
		} else {
			interrupted++
		}
	}
	t.Logf("%d of 5 kills have interrupted a restore", interrupted)
	code, output := r.command("restore", "--from", file, "--data-dir", r.dir).wait(t)
	require.Zero(t, code, "%s", output)
	r.start()
	require.Equal(t, want, r.history())
	r.kill()
}
