package service_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// bothNodes are the peers of two nodes.
type bothNodes struct {
	local notify.Peers
	other notify.Peers // of the other node
	down  error        // not nil: the other node cannot be reached

	counted int // calls of CountConnections
}

func (b *bothNodes) Deliver(ctx context.Context, n *notify.Notification) error {
	err := b.local.Deliver(ctx, n)
	if b.down != nil {
		return b.down
	}
	return errors.Join(err, b.other.Deliver(ctx, n))
}

func (b *bothNodes) Connections(ctx context.Context, u notify.UserID) (notify.Connections, error) {
	all, err := b.local.Connections(ctx, u)
	if b.down != nil {
		all.Incomplete = append(all.Incomplete, "node-2")
		return all, err
	}
	more, otherErr := b.other.Connections(ctx, u)
	all.Open = append(all.Open, more.Open...)
	return all, errors.Join(err, otherErr)
}

func (b *bothNodes) CountConnections(ctx context.Context, users []notify.UserID) (notify.ConnectionCounts, error) {
	b.counted++
	all, err := b.local.CountConnections(ctx, users)
	if b.down != nil {
		all.Incomplete = append(all.Incomplete, "node-2")
		return all, err
	}
	more, otherErr := b.other.CountConnections(ctx, users)
	for i := range more.Of {
		all.Of[i] = all.Of[i].Plus(more.Of[i])
	}
	return all, errors.Join(err, otherErr)
}

func (b *bothNodes) Disconnect(ctx context.Context, u notify.UserID, connection string) error {
	err := b.local.Disconnect(ctx, u, connection)
	if b.down != nil {
		return b.down
	}
	return errors.Join(err, b.other.Disconnect(ctx, u, connection))
}

func TestPeersReachAllNodes(t *testing.T) {
	other := newRig(t, func(r *rig) { r.node = "node-2" })
	both := &bothNodes{other: other.peers}
	r := newRig(t, func(r *rig) {
		r.wrapPeers = func(local notify.Peers) notify.Peers { both.local = local; return both }
	})
	here, there, grace := r.connect("ada", ""), other.connect("ada", ""), other.connect("grace", "")
	ephemeral := draft("now or never", "ada")
	ephemeral.Ephemeral = true
	r.submit(ephemeral)
	require.Equal(t, []string{"welcome", "live", "now or never"}, here.received(3))
	require.Equal(t, []string{"welcome", "live", "now or never"}, there.received(3))

	open, err := r.service.Connections(t.Context(), backend(), "ada")
	require.NoError(t, err)
	require.Len(t, open.Open, 2)
	require.Equal(t, []string{"node-1", "node-2"}, []string{open.Open[0].Node, open.Open[1].Node}, "each has the name of its own node")

	receipt := r.publish("to two users", "ada", "grace")
	traced, err := r.service.Trace(t.Context(), backend(), receipt.ID, "")
	require.NoError(t, err)
	require.Equal(t, []int{2, 1}, []int{traced.Connected[0].Number, traced.Connected[1].Number})
	require.Equal(t, open.Open[0].Since, traced.Connected[0].Since, "the oldest")
	require.Equal(t, 1, both.counted, "all users are counted together")

	require.NoError(t, r.service.Disconnect(t.Context(), backend(), "ada"))
	for _, d := range []*device{here, there} {
		require.True(t, d.conn.Ended())
	}
	require.False(t, grace.conn.Ended())
}

func TestAnUnreachablePeer(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.wrapPeers = func(local notify.Peers) notify.Peers {
			return &bothNodes{local: local, down: notify.Errorf(notify.ErrOutcomeUnknown, "a node cannot be reached")}
		}
	})
	d := r.connect("ada", "")
	ephemeral := draft("perhaps", "ada")
	ephemeral.Ephemeral = true
	_, err := r.service.Publish(t.Context(), backend(), service.Call{}, ephemeral)
	require.ErrorIs(t, err, notify.ErrOutcomeUnknown)
	require.Equal(t, []string{"welcome", "live", "perhaps"}, d.received(3))
	open, err := r.service.Connections(t.Context(), backend(), "ada")
	require.NoError(t, err)
	require.Len(t, open.Open, 1)
	require.Equal(t, []string{"node-2"}, open.Incomplete)
	require.ErrorIs(t, r.service.Disconnect(t.Context(), backend(), "ada"), notify.ErrOutcomeUnknown)
	require.True(t, d.conn.Ended())
	r.publish("stored", "ada")
	require.Equal(t, []string{"welcome", "stored", "live"}, r.connect("ada", service.Earliest).received(3), "the journal does not need peers")
}

// awayPeers has a node that does not answer.
type awayPeers struct{ notify.Peers }

func (p awayPeers) CountConnections(ctx context.Context, users []notify.UserID) (notify.ConnectionCounts, error) {
	time.Sleep(2 * time.Second) // of the bubble's clock
	return p.Peers.CountConnections(ctx, users)
}

// Traces that wait for a node that does not answer leave the places of those who read inboxes free.
func TestTracesThatWaitDoNotHoldUpInboxes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, fs: vfs.NewCrashableMem(), keep: 10}
		r.wrapPeers = func(p notify.Peers) notify.Peers { return awayPeers{p} }
		r.start()
		defer r.stop()
		n, err := r.service.Publish(t.Context(), backend(), service.Call{}, draft("a", "ada"))
		require.NoError(t, err)
		var tracing sync.WaitGroup
		for i := range 4 {
			for range 8 {
				tracing.Go(func() {
					by := notify.Principal{Name: fmt.Sprint("key:ops", i), Scopes: []notify.Scope{notify.ScopeAdmin}}
					_, err := r.service.Trace(t.Context(), by, n.ID, "")
					assert.NoError(t, err)
				})
			}
		}
		synctest.Wait()
		from := time.Now()
		_, err = r.service.List(t.Context(), ada(), service.Query{Limit: 10, Filter: notify.Filter{State: notify.StateAll}})
		require.NoError(t, err)
		assert.Zero(t, time.Since(from))
		tracing.Wait()
	})
}
