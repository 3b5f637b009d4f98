package natsserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
)

// appendOne publishes until the cluster accepts it.
func appendOne(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "entries", nil)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
}

// Each of three servers can be killed and paused; the others have a quorum, and nothing is lost.
func TestServersAreKilledPausedAndStarted(t *testing.T) {
	c := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	js, err := jetstream.New(c.Connect(t))
	require.NoError(t, err)
	creating, cancel := context.WithTimeout(t.Context(), 30*time.Second) // by default 5 s, too few on a busy machine
	defer cancel()
	s, err := js.CreateStream(creating, jetstream.StreamConfig{Name: "ENTRIES", Subjects: []string{"entries"}, Replicas: 3})
	require.NoError(t, err)
	appendOne(t, js)

	leader := c.Named(t, s.CachedInfo().Cluster.Leader)
	leader.Kill(t)
	appendOne(t, js)
	leader.Start(t)
	c.WaitForLeader(t)

	leader.Pause(t)
	appendOne(t, js)
	leader.Resume(t)
	for _, server := range c.Servers {
		server.Stop(t)
		require.False(t, server.Running())
	}
	for _, server := range c.Servers {
		server.Start(t)
	}
	c.WaitForLeader(t)
	appendOne(t, js)
	require.Eventually(t, func() bool {
		info, err := s.Info(t.Context())
		return err == nil && info.State.Msgs >= 4
	}, 30*time.Second, 50*time.Millisecond)
}

// Secure servers refuse connections without a key, and those that do not trust their CA.
func TestSecureServersNeedAKey(t *testing.T) {
	for _, servers := range []int{1, 3} {
		c := natsserver.Start(t, natsserver.Options{Servers: servers, Secure: true})
		_, err := nats.Connect(c.URL, nats.RootCAs(c.CAFile))
		require.ErrorIs(t, err, nats.ErrAuthorization)
		key, err := nats.NkeyOptionFromSeed(c.NodeFile)
		require.NoError(t, err)
		_, err = nats.Connect(c.URL, key)
		require.ErrorContains(t, err, "certificate")
		conn, err := nats.Connect(c.URL, key, nats.RootCAs(c.CAFile))
		require.NoError(t, err)
		conn.Close()
	}
}
