package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/test/natsserver"
)

// A check of the permissions changes nothing: neither the messages of the journal, nor its
// consumers, nor the checkpoints.
func TestACheckOfPermissionsChangesNothing(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	conn := servers.Connect(t)
	_, err := journal.OpenStream(t.Context(), journal.StreamOptions{Conn: conn, Name: "BELLHOP", Replicas: 1})
	require.NoError(t, err)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	for range 5 {
		_, err := js.Publish(t.Context(), "bellhop.BELLHOP.journal", []byte("entry"))
		require.NoError(t, err)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600))
	write(t, checkpoints(t, conn, 1), dir, "a", 1)
	before := states(t, js)
	permissions := journal.NewPermissions(conn, "BELLHOP", "bellhop.BELLHOP.peers.")
	for range 3 {
		require.NoError(t, permissions.Check(t.Context()))
	}
	require.Equal(t, before, states(t, js))
	require.EqualValues(t, 5, before[0].Msgs)
	require.NotContains(t, servers.Servers[0].Log(t), "Invalid JetStream request", "it frightens operators")
}

// states returns the states of the streams of the journal and of its checkpoints.
func states(t *testing.T, js jetstream.JetStream) (all []jetstream.StreamState) {
	t.Helper()
	for _, name := range []string{"BELLHOP", "OBJ_BELLHOP_CHECKPOINTS"} {
		s, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		all = append(all, s.CachedInfo().State)
	}
	return all
}
