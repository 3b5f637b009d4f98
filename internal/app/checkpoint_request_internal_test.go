package app

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/test/natsserver"
)

// listed returns the sequences of the checkpoints, the newest first, and the first message of the stream.
func (n *runningNode) listed(t *testing.T) (all []journal.Checkpoint, first uint64) {
	t.Helper()
	all, err := n.checkpoints.List(t.Context(), n.journal.Position().Journal)
	require.NoError(t, err)
	info, err := n.openStream(t.Context(), true)
	require.NoError(t, err)
	return all, info.First
}

// Any node writes a checkpoint when an operator asks for one, without new entries. After two, the older
// checkpoints and the messages that are in both are gone, and a new node starts from them.
func TestAnyNodeWritesACheckpointOnRequest(t *testing.T) {
	servers, first, second := cluster(t)
	before, _ := first.listed(t)
	require.EqualValues(t, 10, before[0].Sequence)

	written, err := second.writer().request(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 15, written.Sequence, "it has what the other node has published")
	all, _ := first.listed(t)
	require.Equal(t, written.Message, all[0].Position)
	require.Equal(t, before[0], all[1])

	again, err := first.writer().request(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 15, again.Sequence)
	all, begins := first.listed(t)
	require.Len(t, all, 2)
	require.Equal(t, []uint64{again.Message, written.Message}, []uint64{all[0].Position, all[1].Position})
	require.Equal(t, written.Message, begins)
	require.GreaterOrEqual(t, stateOf(first.journal).Message, again.Message, "the others learn what the node has applied")
	requireSame(t, first, second)
	requireSame(t, first, run(t, servers, newReplica(t, servers, dataDir(t))))
}

// Checkpoints that are written at once on one node and on two do not disturb each other.
func TestCheckpointsMayBeWrittenAtOnce(t *testing.T) {
	servers, first, second := cluster(t)
	var writing sync.WaitGroup
	for _, w := range []*checkpointer{first.writer(), second.writer()} {
		for range 2 {
			writing.Go(func() {
				written, err := w.request(t.Context())
				assert.NoError(t, err)
				assert.EqualValues(t, 15, written.Sequence)
			})
		}
	}
	writing.Wait()
	requireSame(t, first, run(t, servers, newReplica(t, servers, dataDir(t))))
	requireSame(t, first, second)
}

// Messages are deleted only when every ready node has applied them.
func TestMessagesStayUntilReadyNodesHaveThem(t *testing.T) {
	_, first, _ := cluster(t)
	w := first.writer()
	_, err := w.request(t.Context())
	require.NoError(t, err)
	_, before := first.listed(t)
	var asked []notify.Sequence
	w.lacks = func(cp *journal.Checkpoint) error {
		_, begins := first.listed(t)
		require.Equal(t, before, begins)
		if asked = append(asked, cp.Sequence); len(asked) < 3 {
			return assert.AnError
		}
		return nil
	}
	_, err = w.request(t.Context())
	require.NoError(t, err)
	require.Equal(t, []notify.Sequence{15, 15, 15}, asked)
	_, begins := first.listed(t)
	require.Greater(t, begins, before)
}

// A ready node lacks a checkpoint until it has applied all messages of it, also those without entries. Of a node
// of an earlier version only the entries are known, and a node that is not ready is not waited for.
func TestReadyNodesMayLackMessagesWithoutEntries(t *testing.T) {
	cp := &journal.Checkpoint{Sequence: 15, Position: 30}
	for _, c := range []struct {
		node  peers.Node
		lacks bool
	}{
		{peers.Node{State: peers.State{Sequence: 14, Message: 31}}, true},
		{peers.Node{State: peers.State{Sequence: 15, Message: 29}}, true},
		{peers.Node{State: peers.State{Sequence: 15, Message: 30}}, false},
		{peers.Node{State: peers.State{Sequence: 15}}, false},
		{peers.Node{State: peers.State{Sequence: 14, Message: 29, Fault: "behind"}}, false},
		{peers.Node{State: peers.State{Sequence: 14, Message: 29}, Silent: true}, false},
	} {
		err := lackedBy([]peers.Node{{State: peers.State{Sequence: 15, Message: 30}}, c.node}, cp)
		require.Equal(t, c.lacks, err != nil, "%+v", c.node.State)
	}
}

// The files of a checkpoint have nothing that was erased before, also if the node has not removed it from its
// own yet.
func TestACheckpointIsPurged(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	n := run(t, servers, newReplica(t, servers, dataDir(t)))
	n.publish(t, 1, 1)
	w := n.writer()
	for i, write := range []func() error{
		func() error { _, err := w.request(t.Context()); return err },
		func() error { w.every = 0; return w.writeIfDue(t.Context()) },
	} {
		n.publish(t, i+2, i+2)
		require.NoError(t, n.journal.Append(t.Context(), notify.Erase{User: "ada"})[0].Err)
		require.NotZero(t, n.store.Unpurged())
		before := w.newest.Load()
		require.NoError(t, write())
		require.Greater(t, w.newest.Load(), before)
		require.Zero(t, n.store.Unpurged())
	}
}

// A checkpoint is refused while the node is not ready, and after it has begun to stop; an error that only
// the log may have is not in the answer, and is counted.
func TestACheckpointOnRequestIsRefused(t *testing.T) {
	_, first, _ := cluster(t)
	w := first.writer()
	notReady := notify.Unavailable(notify.CauseJournal, "this node is 3s behind the journal")
	w.ready = func() error { return notReady }
	_, err := w.request(t.Context())
	require.ErrorIs(t, err, notReady)

	w.ready = first.journal.Ready
	gone, leave := context.WithCancel(t.Context())
	w.catchUp = func(context.Context) { leave() }
	_, err = w.request(gone)
	require.ErrorContains(t, err, "the client has gone")
	require.Zero(t, w.failures.Load())

	w.catchUp, w.journal = first.journal.CatchUp, "another"
	_, err = w.request(t.Context())
	require.ErrorIs(t, err, notify.ErrUnavailable)
	require.NotContains(t, problem.Of(err).Detail, "another")
	require.EqualValues(t, 1, w.failures.Load())

	w.catchUp = func(ctx context.Context) { w.end(); <-ctx.Done() } // a stop waits for none of the steps
	_, err = w.request(t.Context())
	require.ErrorIs(t, err, notify.ErrDraining)
	w.lease = lease{} // which nobody gets
	w.run(t.Context())
}
