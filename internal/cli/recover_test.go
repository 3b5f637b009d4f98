package cli_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/natsserver"
)

func TestRecoverNeedsACluster(t *testing.T) {
	bellhop(t, nil, "cluster", "recover").want(t, 2, "BELLHOP_NATS_URL is not set")
	bellhop(t, []string{"BELLHOP_NATS_URL=nats://127.0.0.1:1"}, "cluster", "recover", "--data-dir", t.TempDir()).want(t, 1, "no connection to NATS")
}

// Without --yes nothing is changed. With it, the store is the beginning of a new journal. That
// needs the credentials of an operator.
func TestRecoverSaysWhatItWouldDo(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1, Secure: true})
	dir := t.TempDir()
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	begun, err := journal.OpenStream(t.Context(), journal.StreamOptions{Conn: servers.Connect(t), Name: "BELLHOP", Replicas: 1})
	require.NoError(t, err)

	environ := func(credentials string) []string {
		return []string{
			"BELLHOP_NATS_URL=" + servers.URL, "BELLHOP_NATS_CA_FILE=" + servers.CAFile, "BELLHOP_NATS_CREDENTIALS_FILE=" + credentials,
			"BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true", "BELLHOP_DATA_DIR=" + dir,
		}
	}
	bellhop(t, environ(servers.OperatorFile), "cluster", "recover").want(t, 1, "neither a store")
	follow(t, dir, "lost")
	bellhop(t, environ(servers.OperatorFile), "cluster", "recover").want(t, 0, "sequence 1, at message 7 of the journal lost", begun.Journal, "Nothing was changed")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	bellhop(t, environ(servers.NodeFile), "cluster", "recover", "--yes").want(t, 1, "credentials of an operator", "run the command again")
	bellhop(t, environ(servers.OperatorFile), "cluster", "recover", "--yes").want(t, 0, "recovered", "sequence 1")
	after, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(after), len(entries))

	s, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	require.NotEqual(t, begun.Journal, s.CachedInfo().Config.Metadata["bellhop-journal"])
	recovered, err := store.Inspect(dir, nil)
	require.NoError(t, err)
	require.Equal(t, s.CachedInfo().Config.Metadata["bellhop-journal"], recovered.Journal)
}

// follow makes a store that has followed a journal up to message 7.
func follow(t *testing.T, dir, of string) {
	t.Helper()
	s, err := store.Open(dir, store.Options{Replicated: true, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	_, _, err = s.ApplyAt(notify.Position{Journal: of, Message: 7}, 1, []notify.Stamped{{Entry: notify.Cleanup{}, Time: time.Now()}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
