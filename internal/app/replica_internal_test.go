package app

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/natsserver"
)

// quietOptions are options of a store.
func quietOptions() store.Options {
	return store.Options{Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }}
}

// newReplica returns the replica of a node with a data directory.
func newReplica(t testing.TB, servers *natsserver.Cluster, dir string) *replica {
	t.Helper()
	conn := servers.Connect(t)
	checkpoints, err := journal.NewCheckpoints(conn, journal.CheckpointOptions{Stream: "BELLHOP", Replicas: 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return &replica{
		dir: dir, checkpoints: checkpoints, leave: func() {}, permitted: allPermitted, logger: slog.New(slog.DiscardHandler),
		openStream: func(ctx context.Context, mustExist bool) (journal.StreamInfo, error) {
			return journal.OpenStream(ctx, journal.StreamOptions{Conn: conn, Name: "BELLHOP", Replicas: 1, MustExist: mustExist})
		},
	}
}

func allPermitted(context.Context) error { return nil }

// runningNode is a store that follows the journal.
type runningNode struct {
	*replica
	store   *store.Store
	journal *journal.Cluster
	stop    func()
}

type noCommits struct{}

func (noCommits) Committed(int, float64) {}

// run opens the store of r, and follows the journal until stop.
func run(t testing.TB, servers *natsserver.Cluster, r *replica) *runningNode {
	t.Helper()
	s, err := r.open(t.Context(), quietOptions())
	require.NoError(t, err)
	n := &runningNode{replica: r, store: s}
	n.journal, err = journal.NewCluster(journal.ClusterOptions{
		Conn: servers.Connect(t), Stream: "BELLHOP", Replicas: 1, Node: "node", State: s, Position: s.Position(), Last: s.Last(),
		Deliver: func(notify.Change) {}, CutOff: func(error) {}, Metrics: noCommits{}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, n.journal.Run(ctx)) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		assert.NoError(t, s.Close())
	})
	t.Cleanup(n.stop)
	require.Eventually(t, func() bool { return n.journal.Ready() == nil || n.journal.Status().Stopped != nil }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, n.journal.Status().Stopped)
	return n
}

// publish appends entries from a number on, one message each.
func (n *runningNode) publish(t testing.TB, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		require.NoError(t, n.journal.Append(t.Context(), notify.Revocation{TokenID: strconv.Itoa(i)})[0].Err)
	}
}

// writer returns the checkpointer of n. A checkpoint is due after each new entry.
func (n *runningNode) writer() *checkpointer {
	c := &checkpointer{
		store: n.store, journal: n.journal.Position().Journal, durable: n.journal.Durable, full: n.journal.Full,
		stream:      func(ctx context.Context) (journal.StreamInfo, error) { return n.openStream(ctx, true) },
		checkpoints: n.checkpoints, dir: n.dir, node: "node", logger: n.logger, every: time.Hour, entries: 1,
		ready: n.journal.Ready, catchUp: n.journal.CatchUp, lacks: func(*journal.Checkpoint) error { return nil }, turn: make(chan struct{}, 1),
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// checkpoint writes a checkpoint and purges, as the holder of the lease does.
func (n *runningNode) checkpoint(t testing.TB) {
	t.Helper()
	require.NoError(t, n.writer().writeIfDue(t.Context()))
}

// requireSame requires that nodes have applied the same, with the same outcome.
func requireSame(t *testing.T, a, b *runningNode) {
	t.Helper()
	require.Eventually(t, func() bool { // messages without entries come at any time
		return a.journal.Durable() == b.journal.Durable() && a.journal.Position() == b.journal.Position()
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, revoked(t, a), revoked(t, b))
}

// revoked returns which of the published revocations a node has applied.
func revoked(t *testing.T, n *runningNode) (applied []int) {
	t.Helper()
	for i := range 1000 {
		if n.store.Revoked(notify.Principal{User: "ada", TokenID: strconv.Itoa(i)}) {
			applied = append(applied, i)
		}
	}
	return applied
}

func dataDir(t testing.TB) string { t.Helper(); return filepath.Join(t.TempDir(), "data") }

// A node without a store starts from the newest checkpoint, and follows the journal from
// there, also if the journal no longer has what came before.
func TestANewNodeStartsFromACheckpoint(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	for i := range 3 {
		first.publish(t, 10*i+1, 10*i+10)
		first.checkpoint(t)
	}
	first.publish(t, 31, 35)
	info, err := first.openStream(t.Context(), true)
	require.NoError(t, err)
	all, err := first.checkpoints.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, all[1].Position, info.First, "the journal begins with the message of the last checkpoint but one")

	second := run(t, servers, newReplica(t, servers, dataDir(t)))
	requireSame(t, first, second)
	second.publish(t, 36, 40)
	requireSame(t, first, second)
	require.NoDirExists(t, filepath.Join(second.dir, downloadDir))
	require.NoDirExists(t, filepath.Join(first.dir, writeDir))
}

// A checkpoint that is written while entries are applied leads to the same state, with the same
// running hash, as all entries.
func TestACheckpointIsWrittenUnderLoad(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 0, 0)
	var publishing sync.WaitGroup
	for publisher := range 8 {
		publishing.Go(func() {
			for batch := range 10 {
				entries := make([]notify.Entry, 50)
				for i := range entries {
					entries[i] = notify.Revocation{TokenID: fmt.Sprintf("%d.%d.%d", publisher, batch, i)}
				}
				for _, v := range first.journal.Append(t.Context(), entries...) {
					assert.NoError(t, v.Err)
				}
			}
		})
	}
	w := first.writer()
	for range 3 {
		_, err := w.write(t.Context())
		require.NoError(t, err)
	}
	publishing.Wait()
	second := run(t, servers, newReplica(t, servers, dataDir(t)))
	requireSame(t, first, second)
	require.NotZero(t, first.store.LastHash())
	require.Equal(t, first.store.LastHash(), second.store.LastHash())
	want, ok1, err1 := first.store.HashAt(first.store.LastHash())
	got, ok2, err2 := second.store.HashAt(second.store.LastHash())
	require.NoError(t, errors.Join(err1, err2))
	require.True(t, ok1 && ok2)
	require.Equal(t, want, got)
}

// A node that was away for longer than the journal reaches back takes a checkpoint, and so does
// one whose store is damaged.
func TestALateOrDamagedNodeTakesACheckpoint(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	second := run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 1, 5)
	requireSame(t, first, second)
	second.stop()
	for i := range 3 {
		first.publish(t, 10*i+6, 10*i+15)
		first.checkpoint(t)
	}
	second = run(t, servers, newReplica(t, servers, second.dir))
	requireSame(t, first, second)
	second.stop()

	files, err := filepath.Glob(filepath.Join(second.dir, "store", "MANIFEST-*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.NoError(t, os.Truncate(file, 10))
	}
	second = run(t, servers, newReplica(t, servers, second.dir))
	requireSame(t, first, second)
}

// A damaged checkpoint is passed over.
func TestTheNewestGoodCheckpointIsTaken(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 1, 10)
	first.checkpoint(t)
	first.publish(t, 11, 12)
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.Mkdir(bad, 0o700))
	_, err := first.checkpoints.Write(t.Context(), bad, journal.Checkpoint{Journal: first.journal.Position().Journal, Position: 12, Sequence: 12})
	require.NoError(t, err)
	requireSame(t, first, run(t, servers, newReplica(t, servers, dataDir(t))))
}

// A node that finds only a checkpoint of another version waits for one that it can read. It does not
// end, because it would be started and would end again and again.
func TestANodeWaitsForACheckpointThatItCanRead(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 1, 10)
	later := t.TempDir()
	manifest := []byte(`{"format":9999}`)
	require.NoError(t, os.WriteFile(filepath.Join(later, "checkpoint"), fmt.Appendf(nil, "%s\n%08x\n",
		manifest, crc32.Checksum(manifest, crc32.MakeTable(crc32.Castagnoli))), 0o600))
	_, err := first.checkpoints.Write(t.Context(), later, journal.Checkpoint{Journal: first.journal.Position().Journal, Position: 10, Sequence: 10})
	require.NoError(t, err)
	r := newReplica(t, servers, dataDir(t))
	_, err = r.tryOpen(t.Context(), quietOptions())
	require.ErrorIs(t, err, store.ErrFormat)
	ended := make(chan error, 1)
	go func() {
		s, err := r.open(t.Context(), quietOptions())
		if err == nil {
			err = s.Close()
		}
		ended <- err
	}()
	require.Eventually(t, func() bool { return errors.Is(r.ready(), errRestore) }, 20*time.Second, 10*time.Millisecond)
	first.publish(t, 11, 12)
	first.checkpoint(t)
	require.NoError(t, <-ended)
	requireSame(t, first, run(t, servers, r))
}

// A node that cannot restore a checkpoint, here since a file is in the way, says so without
// naming the file.
func TestAFailedRestoreIsReported(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 1, 10)
	first.checkpoint(t)
	r := newReplica(t, servers, dataDir(t))
	require.NoError(t, os.MkdirAll(r.dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "restore.partial"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "store"), nil, 0o600))
	_, err := r.tryOpen(t.Context(), quietOptions())
	require.Error(t, err)
	r.wait(err)
	require.NotContains(t, problem.Of(r.ready()).Detail, r.dir)
	require.NoError(t, os.Remove(filepath.Join(r.dir, "store")))
	requireSame(t, first, run(t, servers, r))
}

// A standalone store becomes the beginning of an empty stream. Other nodes wait for its
// checkpoint; another standalone store is refused.
func TestAStandaloneStoreBecomesTheBeginningOfACluster(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	alone := func() string {
		dir := dataDir(t)
		s, err := store.Open(dir, quietOptions())
		require.NoError(t, err)
		_, _, err = s.Apply(1, []notify.Stamped{{Entry: notify.Revocation{TokenID: "500"}, Time: time.Now()}})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		return dir
	}
	one, other := alone(), alone()
	first := run(t, servers, newReplica(t, servers, one))
	require.Equal(t, []int{500}, revoked(t, first))

	waiting := newReplica(t, servers, dataDir(t))
	_, err := waiting.tryOpen(t.Context(), quietOptions())
	require.ErrorContains(t, err, "no checkpoint")
	refused := newReplica(t, servers, other)
	_, err = refused.tryOpen(t.Context(), quietOptions())
	require.ErrorContains(t, err, "used without a cluster")
	first.publish(t, 600, 601)
	first.checkpoint(t)
	requireSame(t, first, run(t, servers, waiting))
	kept, err := store.Inspect(other, nil)
	require.NoError(t, err)
	require.Empty(t, kept.Journal, "the refused store is unchanged")
	require.EqualValues(t, 1, kept.Sequence)
}

// A node that has followed a journal neither follows another one nor creates the stream anew.
func TestALostStreamIsNotReplacedByANewOne(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 1, 3)
	first.checkpoint(t)
	first.stop()
	deleteStream(t, servers)
	r := newReplica(t, servers, first.dir)
	_, err := r.tryOpen(t.Context(), quietOptions())
	require.ErrorIs(t, err, journal.ErrNoStream)
	fresh := newReplica(t, servers, dataDir(t))
	_, err = fresh.tryOpen(t.Context(), quietOptions())
	require.ErrorContains(t, err, "recover", "a node without a store does not begin anew, either")
	_, err = r.tryOpen(t.Context(), quietOptions())
	require.ErrorContains(t, err, "another journal")
}

// While a node waits it says why, and it stops waiting when its context ends.
func TestANodeThatCannotFollowSaysWhy(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	r := newReplica(t, servers, dataDir(t))
	servers.Servers[0].Kill(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.open(ctx, quietOptions())
		done <- err
	}()
	require.Eventually(t, func() bool { return r.ready() != nil }, 20*time.Second, 10*time.Millisecond)
	details := problem.Of(r.ready())
	require.Equal(t, http.StatusServiceUnavailable, details.Status)
	require.Contains(t, details.Detail, "cannot follow its journal")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func deleteStream(t *testing.T, servers *natsserver.Cluster) {
	t.Helper()
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), "BELLHOP"))
}

// A node that starts on a NATS server that is cut off from the majority tries another one. It does
// not if every server would say the same.
func TestANodeThatStartsLeavesAServerThatDoesNotReachTheJournal(t *testing.T) {
	for _, c := range []struct {
		err  error
		left int
	}{{errors.New("no majority"), 2}, {journal.ErrStream, 0}, {journal.ErrNoStream, 0}} {
		t.Run(c.err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := 0
				r := &replica{dir: t.TempDir(), leave: func() { left++ }, permitted: allPermitted, logger: slog.New(slog.DiscardHandler)}
				r.openStream = func(context.Context, bool) (journal.StreamInfo, error) { return journal.StreamInfo{}, c.err }
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
				defer cancel()
				_, err := r.open(ctx, quietOptions())
				require.Error(t, err)
				require.Equal(t, c.left, left)
			})
		})
	}
}

// A stop during an attempt that fails is a stop, and not the failure of the attempt.
func TestOpenInterruptedInAnAttempt(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r := &replica{dir: t.TempDir(), leave: func() {}, logger: slog.New(slog.DiscardHandler), permitted: func(context.Context) error {
		stop()
		return errors.New("the store follows newer rules")
	}}
	_, err := r.open(ctx, quietOptions())
	require.Equal(t, context.Canceled, err)
}
