package journal_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/test/natsserver"
)

// checkpoints returns the checkpoints of the stream BELLHOP.
func checkpoints(t *testing.T, conn *nats.Conn, replicas int) *journal.Checkpoints {
	t.Helper()
	c, err := journal.NewCheckpoints(conn, journal.CheckpointOptions{
		Stream: "BELLHOP", Replicas: replicas, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return c
}

// files writes a directory with a nested file of size random bytes, which do not compress.
func files(t *testing.T, size int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "files")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "store"), 0o700))
	content := make([]byte, size)
	rand.Read(content)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "store", "000001.sst"), content, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("manifest\n"), 0o600))
	return dir
}

// content returns the content of every file under dir, by its path.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(path)
			all[strings.TrimPrefix(path, dir)] = string(b)
		}
		return err
	}))
	return all
}

func positions(all []journal.Checkpoint) (positions []uint64) {
	for _, cp := range all {
		positions = append(positions, cp.Position)
	}
	return positions
}

func write(t *testing.T, c *journal.Checkpoints, dir, of string, position uint64) journal.Checkpoint {
	t.Helper()
	cp, err := c.Write(t.Context(), dir, journal.Checkpoint{Journal: of, Position: position, Sequence: 7, Node: "node-1"})
	require.NoError(t, err)
	return cp
}

func TestACheckpointIsRestoredAsItWasWritten(t *testing.T) {
	conn := natsserver.Start(t, natsserver.Options{Servers: 1}).Connect(t)
	c := checkpoints(t, conn, 1)
	all, err := c.List(t.Context(), "a")
	require.NoError(t, err)
	require.Empty(t, all, "before the object store exists")

	for _, size := range []int{0, 1, 3 << 20} {
		dir := files(t, size)
		write(t, c, dir, "a", uint64(size))
		all, err = c.List(t.Context(), "a")
		require.NoError(t, err)
		newest := all[0]
		assert.Equal(t, uint64(size), newest.Position)
		assert.EqualValues(t, 7, newest.Sequence)
		assert.Equal(t, "node-1", newest.Node)
		assert.WithinDuration(t, time.Now(), newest.Written, time.Minute)
		into := filepath.Join(t.TempDir(), "restored")
		require.NoError(t, c.Restore(t.Context(), newest, into))
		assert.Equal(t, content(t, dir), content(t, into))
	}
	all, err = c.List(t.Context(), "b")
	require.NoError(t, err)
	require.Empty(t, all, "of another journal")
}

// The client library, and with it every NATS tool, can read a checkpoint as an object.
func TestACheckpointIsAnObject(t *testing.T) {
	conn := natsserver.Start(t, natsserver.Options{Servers: 1}).Connect(t)
	cp := write(t, checkpoints(t, conn, 1), files(t, 1<<20), "a", 5)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	bucket, err := js.ObjectStore(t.Context(), "BELLHOP_CHECKPOINTS")
	require.NoError(t, err)
	listed, err := bucket.List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 1)
	b, err := bucket.GetBytes(t.Context(), listed[0].Name) // which compares the checksum
	require.NoError(t, err)
	require.Len(t, b, int(cp.Bytes))
}

func TestOnlyTheNewestCheckpointsOfAJournalAreKept(t *testing.T) {
	conn := natsserver.Start(t, natsserver.Options{Servers: 1}).Connect(t)
	c := checkpoints(t, conn, 1)
	dir := files(t, 1000)
	for _, position := range []uint64{9, 100, 20} {
		write(t, c, dir, "a", position)
	}
	write(t, c, dir, "b", 50)
	write(t, c, dir, "a", 100) // replaces the first one
	require.NoError(t, c.Prune(t.Context(), "a", 2))
	all, err := c.List(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []uint64{100, 50, 20}, positions(all))
	for i, cp := range all {
		require.NoError(t, c.Restore(t.Context(), cp, filepath.Join(t.TempDir(), string(rune('a'+i)))))
	}
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "OBJ_BELLHOP_CHECKPOINTS")
	require.NoError(t, err)
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	require.NoError(t, err)
	require.Len(t, info.State.Subjects, 6, "a record and chunks of each")
}

// An upload that fails leaves nothing: no checkpoint is listed, and no chunk is kept.
func TestAnInterruptedUploadIsNotListed(t *testing.T) {
	conn := natsserver.Start(t, natsserver.Options{Servers: 1}).Connect(t)
	c := checkpoints(t, conn, 1)
	write(t, c, files(t, 1000), "a", 1)
	ctx, cancel := context.WithCancel(t.Context())
	dir := files(t, 64<<20)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	s, err := js.Stream(ctx, "OBJ_BELLHOP_CHECKPOINTS")
	require.NoError(t, err)
	go func() { // ends the upload when some chunks are stored
		for {
			info, err := s.Info(ctx)
			if err != nil || info.State.Bytes > 1<<20 {
				cancel()
				return
			}
		}
	}()
	_, err = c.Write(ctx, dir, journal.Checkpoint{Journal: "a", Position: 2})
	require.ErrorIs(t, err, context.Canceled)
	all, err := c.List(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []uint64{1}, positions(all))
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	require.NoError(t, err)
	require.Len(t, info.State.Subjects, 2, "the record and the chunks of the first")
}

// A checkpoint that has lost a chunk, or has another one in its place, is refused, and leaves
// no directory behind.
func TestADamagedCheckpointIsRefused(t *testing.T) {
	conn := natsserver.Start(t, natsserver.Options{Servers: 1}).Connect(t)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	for _, damage := range []string{"a chunk is replaced", "the record is replaced"} {
		t.Run(damage, func(t *testing.T) {
			c := checkpoints(t, conn, 1)
			cp := write(t, c, files(t, 600<<10), "a", 1)
			s, err := js.Stream(t.Context(), "OBJ_BELLHOP_CHECKPOINTS")
			require.NoError(t, err)
			info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("$O.BELLHOP_CHECKPOINTS.C.>"))
			require.NoError(t, err)
			if damage == "a chunk is replaced" {
				for subject := range info.State.Subjects {
					m, err := s.GetLastMsgForSubject(t.Context(), subject)
					require.NoError(t, err)
					require.NoError(t, s.DeleteMsg(t.Context(), m.Sequence))
					m.Data[0] ^= 1
					_, err = js.Publish(t.Context(), subject, m.Data)
					require.NoError(t, err)
				}
			} else {
				write(t, c, files(t, 600<<10), "a", 1)
			}
			into := filepath.Join(t.TempDir(), "restored")
			err = c.Restore(t.Context(), cp, into)
			require.ErrorIs(t, err, journal.ErrNoCheckpoint)
			require.NoDirExists(t, into)
		})
	}
}

// Chunks are repeated while servers fail, so that neither a write nor a restore is lost.
func TestACheckpointSurvivesTheRestartOfAServer(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	conn := servers.Connect(t)
	c := checkpoints(t, conn, 3)
	dir := files(t, 64<<20)
	write(t, c, files(t, 1000), "a", 1)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "OBJ_BELLHOP_CHECKPOINTS")
	require.NoError(t, err)
	killed := make(chan error, 1)
	go func() { // kills the leader when some chunks are stored
		for {
			info, err := s.Info(t.Context())
			if err != nil {
				killed <- err
				return
			}
			if info.State.Bytes > 4<<20 {
				servers.Named(t, info.Cluster.Leader).Kill(t)
				killed <- nil
				return
			}
		}
	}()
	cp := write(t, c, dir, "a", 2)
	require.NoError(t, <-killed)
	into := filepath.Join(t.TempDir(), "restored")
	require.NoError(t, c.Restore(t.Context(), cp, into))
	require.Equal(t, content(t, dir), content(t, into))
}

// Only one of several stores becomes the beginning of a journal.
func TestAJournalHasOneOrigin(t *testing.T) {
	conn := natsserver.Start(t, natsserver.Options{Servers: 1}).Connect(t)
	c := checkpoints(t, conn, 1)
	_, err := c.Origin(t.Context(), "a")
	require.ErrorIs(t, err, journal.ErrNoOrigin)
	origins := make(chan string, 8)
	errs := make(chan error, 8)
	for i := range 8 {
		go func() {
			origin, err := c.ClaimOrigin(t.Context(), "a", strings.Repeat("x", i+1))
			origins <- origin
			errs <- err
		}()
	}
	first := <-origins
	for range 7 {
		require.Equal(t, first, <-origins)
	}
	for range 8 {
		require.NoError(t, <-errs)
	}
	origin, err := c.ClaimOrigin(t.Context(), "b", journal.OriginEmpty)
	require.NoError(t, err)
	require.Equal(t, journal.OriginEmpty, origin)
	require.NoError(t, c.Prune(t.Context(), "a", 2))
	origin, err = c.Origin(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, first, origin)
	require.False(t, errors.Is(err, journal.ErrNoOrigin))
}

// Flipped bits in the files of one server change nothing that is restored: the other servers
// have the chunks.
func TestACheckpointSurvivesDamageOnOneServer(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 3})
	c := checkpoints(t, servers.Connect(t), 3)
	dir := files(t, 8<<20)
	cp := write(t, c, dir, "a", 1)
	damaged := servers.Servers[2]
	damaged.Stop(t)
	blocks, err := filepath.Glob(filepath.Join(damaged.StoreDir, "jetstream", "*", "streams", "OBJ_BELLHOP_CHECKPOINTS", "msgs", "*.blk"))
	require.NoError(t, err)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		b, err := os.ReadFile(block)
		require.NoError(t, err)
		for at := 100_000; at < len(b); at += 300_000 {
			b[at] ^= 1
		}
		require.NoError(t, os.WriteFile(block, b, 0o600))
	}
	damaged.Start(t)
	servers.WaitForLeader(t)
	for i := range 3 {
		into := filepath.Join(t.TempDir(), "restored", string(rune('a'+i)))
		require.NoError(t, os.MkdirAll(filepath.Dir(into), 0o700))
		require.Eventually(t, func() bool {
			err := c.Restore(t.Context(), cp, into)
			return err == nil || !assert.ErrorIs(t, err, journal.ErrNoCheckpoint)
		}, 60*time.Second, 100*time.Millisecond)
		require.Equal(t, content(t, dir), content(t, into))
	}
}
