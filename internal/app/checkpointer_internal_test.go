package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// lease is held while its context lasts, and can be acquired once.
type lease struct{ held chan context.Context }

func (l lease) Acquire(ctx context.Context) (context.Context, func(), error) {
	select {
	case held := <-l.held:
		return held, func() {}, nil
	case <-ctx.Done():
		return nil, nil, errors.New("ended")
	}
}

func TestCheckpointsAreWrittenByTheHolderOfTheLease(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	n := run(t, servers, newReplica(t, servers, dataDir(t)))
	n.publish(t, 1, 5)
	l := lease{make(chan context.Context)}
	c := &checkpointer{
		store: n.store, journal: n.journal.Position().Journal, durable: n.journal.Durable, checkpoints: n.checkpoints, dir: n.dir,
		node: "node", logger: slog.New(slog.DiscardHandler), lease: l, every: time.Hour, entries: 100,
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.run(ctx); close(done) }()
	all, err := n.checkpoints.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, all, "without the lease")

	held, lose := context.WithCancel(t.Context())
	l.held <- held
	require.Eventually(t, func() bool {
		all, err = n.checkpoints.List(t.Context(), c.journal)
		return err == nil && len(all) == 1
	}, 20*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 5, all[0].Sequence)
	lose()
	cancel()
	<-done
}

func TestACheckpointIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		last  []journal.Checkpoint
		now   notify.Sequence
		isDue bool
	}{
		"there is none":                 {nil, 1, true},
		"nothing is new":                {[]journal.Checkpoint{{Sequence: 9, Written: time.Now().Add(-2 * time.Hour)}}, 9, false},
		"little is new, for a minute":   {[]journal.Checkpoint{{Sequence: 9, Written: time.Now().Add(-time.Minute)}}, 108, false},
		"little is new, for two hours":  {[]journal.Checkpoint{{Sequence: 9, Written: time.Now().Add(-2 * time.Hour)}}, 10, true},
		"many are new":                  {[]journal.Checkpoint{{Sequence: 9, Written: time.Now()}}, 109, true},
		"this node is behind the other": {[]journal.Checkpoint{{Sequence: 9, Written: time.Now().Add(-2 * time.Hour)}}, 5, false},
	} {
		check := &checkpointer{every: time.Hour, entries: 100, durable: func() notify.Sequence { return c.now }}
		assert.Equal(t, c.isDue, check.isDue(c.last), name)
	}
}
