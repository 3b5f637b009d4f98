package app

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/natsserver"
)

// newRecovery returns a recovery of the stream from a data directory.
func newRecovery(t *testing.T, servers *natsserver.Cluster, dir string) *recovery {
	t.Helper()
	conn := servers.Connect(t)
	return &recovery{
		replica: newReplica(t, servers, dir), node: "node",
		replaceStream: func(ctx context.Context, identity string, from []string) error {
			return journal.ReplaceStream(ctx, journal.StreamOptions{Conn: conn, Name: "BELLHOP", Replicas: 1}, identity, from)
		},
	}
}

// cluster starts two nodes with the same entries, and a checkpoint that lacks the newest ones.
func cluster(t *testing.T) (servers *natsserver.Cluster, first, second *runningNode) {
	t.Helper()
	servers = natsserver.Start(t, natsserver.Options{Servers: 1})
	first = run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 1, 10)
	first.checkpoint(t)
	second = run(t, servers, newReplica(t, servers, dataDir(t)))
	first.publish(t, 11, 15)
	requireSame(t, first, second)
	return servers, first, second
}

// After the stream was lost, the store of one node is the beginning of a new journal, and all
// other nodes take it over by themselves.
func TestRecoverBeginsANewJournalWithOneStore(t *testing.T) {
	servers, first, second := cluster(t)
	first.stop()
	second.publish(t, 16, 17)
	second.stop()
	deleteStream(t, servers)

	begins, err := newRecovery(t, servers, second.dir).run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 17, begins.Sequence)
	second = run(t, servers, newReplica(t, servers, second.dir))
	second.publish(t, 18, 18)
	first = run(t, servers, newReplica(t, servers, first.dir))
	requireSame(t, first, second)
	third := run(t, servers, newReplica(t, servers, dataDir(t)))
	requireSame(t, first, third)
	require.Len(t, revoked(t, third), 18)
	all, err := third.checkpoints.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 1, "checkpoints of the lost journal are deleted")
}

// A journal that nodes follow is not lost.
func TestRecoverRefusesAJournalThatIsFollowed(t *testing.T) {
	servers, first, second := cluster(t)
	second.stop()
	r := newRecovery(t, servers, second.dir)
	_, err := r.run(t.Context())
	require.ErrorIs(t, err, errFollowed)
	second = run(t, servers, newReplica(t, servers, second.dir))
	requireSame(t, first, second)

	_, err = newRecovery(t, servers, second.dir).run(t.Context())
	require.Error(t, err)
	_, err = newRecovery(t, servers, dataDir(t)).run(t.Context())
	require.ErrorIs(t, err, errFollowed)
}

// With no store left, the newest checkpoint is the beginning.
func TestRecoverTakesACheckpointIfThereIsNoStore(t *testing.T) {
	servers, first, second := cluster(t)
	first.stop()
	second.stop()
	deleteStream(t, servers)
	dir := dataDir(t)
	begins, err := newRecovery(t, servers, dir).run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 10, begins.Sequence)
	first = run(t, servers, newReplica(t, servers, first.dir))
	require.Len(t, revoked(t, first), 10, "what the new journal lacks is given up")
}

// An interrupted recovery is continued; until then no node starts from its data directory.
func TestAnInterruptedRecoveryIsContinued(t *testing.T) {
	servers, first, second := cluster(t)
	first.stop()
	second.stop()
	deleteStream(t, servers)
	r := newRecovery(t, servers, first.dir)
	interrupted := errors.New("interrupted")
	r.replaceStream = func(context.Context, string, []string) error { return interrupted }
	_, err := r.run(t.Context())
	require.ErrorIs(t, err, interrupted)
	_, err = newReplica(t, servers, first.dir).tryOpen(t.Context(), quietOptions())
	require.Error(t, err)

	_, err = newRecovery(t, servers, first.dir).run(t.Context())
	require.NoError(t, err)
	first = run(t, servers, newReplica(t, servers, first.dir))
	second = run(t, servers, newReplica(t, servers, second.dir))
	requireSame(t, first, second)
	c, err := store.Inspect(first.dir, nil)
	require.ErrorIs(t, err, store.ErrInUse)
	require.Zero(t, c)
}
