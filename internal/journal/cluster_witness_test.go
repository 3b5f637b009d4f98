package journal_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/natsserver"
)

// damaged is a store whose hashes are those of another state.
type damaged struct{ *store.Store }

func (d damaged) HashAt(seq notify.Sequence) (notify.RunningHash, bool, error) {
	hash, ok, err := d.Store.HashAt(seq)
	hash[0]++
	return hash, ok, err
}

// fill appends as many entries as there are between two witnesses.
func (m *member) fill(t *testing.T) {
	t.Helper()
	var all sync.WaitGroup
	for range 9 {
		all.Go(func() {
			batch := make([]notify.Entry, 1_000)
			for i := range batch {
				batch[i] = notify.Release{}
			}
			verdicts := m.Append(t.Context(), batch...)
			assert.NoError(t, verdicts[len(batch)-1].Err)
		})
	}
	all.Wait()
}

// Of three nodes, the one whose state differs stops following, and the others go on. A node
// that has the same state as the others learns that they agree.
func TestANodeWithAnotherState(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a, b := join(t, servers, "a"), join(t, servers, "b")
	c := joinAs(t, servers, "c", func(s *store.Store) journal.ReplicatedState { return damaged{s} })
	caughtUp(t, a, b, c)
	a.fill(t)
	require.ErrorIs(t, c.stopped(t), journal.ErrDiverged)
	require.Eventually(t, func() bool { return a.Status().Witness.Sequence > 0 && b.Status().Witness.Sequence > 0 }, 20*time.Second, 20*time.Millisecond)
	assert.Equal(t, journal.WitnessResult{Sequence: 8192, Agree: []string{"b"}, Contradict: []string{"c"}}, a.Status().Witness)
	assert.Equal(t, journal.WitnessResult{Sequence: 8192, Agree: []string{"a"}, Contradict: []string{"c"}}, b.Status().Witness)
	require.NoError(t, a.Append(t.Context(), publish("after"))[0].Err)
	caughtUp(t, a, b)
}

// Of two nodes with different states, neither can know which is right.
func TestTwoNodesWithDifferentStates(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	a := join(t, servers, "a")
	b := joinAs(t, servers, "b", func(s *store.Store) journal.ReplicatedState { return damaged{s} })
	caughtUp(t, a, b)
	a.fill(t)
	require.ErrorIs(t, a.stopped(t), journal.ErrDiverged)
	require.ErrorIs(t, b.stopped(t), journal.ErrDiverged)
}
