package deploy_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/test/natsserver"
)

// connectAsNode connects with the rights of a node. Refused subjects are sent to the channel.
func connectAsNode(t *testing.T, c *natsserver.Cluster) (*nats.Conn, <-chan error) {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(c.NodeFile)
	require.NoError(t, err)
	refused := make(chan error, 100)
	conn, err := nats.Connect(c.URL, key, nats.RootCAs(c.CAFile), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn, refused
}

// The permissions of a node are enough for checkpoints, and for deleting what they contain.
func TestANodeMayWriteAndReadCheckpoints(t *testing.T) {
	c := natsserver.Start(t, natsserver.Options{Servers: 3, Secure: true})
	conn, refused := connectAsNode(t, c)
	all, err := journal.NewCheckpoints(conn, journal.CheckpointOptions{Stream: "BELLHOP", Replicas: 3, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	origin, err := all.ClaimOrigin(t.Context(), "a", journal.OriginEmpty)
	require.NoError(t, err)
	require.Equal(t, journal.OriginEmpty, origin)
	_, err = all.ClaimOrigin(t.Context(), "a", "another")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600))
	for position := range uint64(3) {
		_, err = all.Write(t.Context(), dir, journal.Checkpoint{Journal: "a", Position: position})
		require.NoError(t, err)
	}
	require.NoError(t, all.Prune(t.Context(), "a", 2))
	list, err := all.List(t.Context(), "a")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.NoError(t, all.Restore(t.Context(), list[0], filepath.Join(t.TempDir(), "restored")))

	options := journal.StreamOptions{Conn: conn, Name: "BELLHOP", Replicas: 3}
	stream, err := journal.OpenStream(t.Context(), options)
	require.NoError(t, err)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	for range 3 {
		_, err = js.Publish(t.Context(), "bellhop.BELLHOP.journal", []byte("entry"))
		require.NoError(t, err)
	}
	require.NoError(t, all.PurgeJournal(t.Context(), stream.Journal, 3))
	stream, err = journal.OpenStream(t.Context(), options)
	require.NoError(t, err)
	require.EqualValues(t, 3, stream.First)
	require.Empty(t, refused)
}

// A node can neither delete nor change streams, and cannot read what others of the same servers
// do.
func TestANodeMayDoNothingElse(t *testing.T) {
	c := natsserver.Start(t, natsserver.Options{Servers: 1, Secure: true})
	operator, err := jetstream.New(c.Connect(t))
	require.NoError(t, err)
	_, err = operator.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BELLHOP", Subjects: []string{"bellhop.BELLHOP.journal"}})
	require.NoError(t, err)

	conn, refused := connectAsNode(t, c)
	node, err := jetstream.New(conn)
	require.NoError(t, err)
	refuses := func(do func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // an answer never comes: the server reports the refusal to the error handler
			defer cancel()
			select {
			case err := <-refused:
				assert.ErrorIs(t, err, nats.ErrPermissionViolation)
			case <-time.After(10 * time.Second):
				t.Error("nothing was refused")
			}
		}()
		_ = do(ctx)
		<-ctx.Done()
	}
	refuses(func(ctx context.Context) error { return node.DeleteStream(ctx, "BELLHOP") })
	refuses(func(ctx context.Context) error {
		_, err := node.UpdateStream(ctx, jetstream.StreamConfig{Name: "BELLHOP", Subjects: []string{"bellhop.BELLHOP.journal"}, MaxMsgs: 1})
		return err
	})
	for _, subject := range []string{">", "$JS.>", "other"} {
		refuses(func(context.Context) error { _, err := conn.SubscribeSync(subject); return err })
	}
	refuses(func(context.Context) error { return conn.Publish("other", nil) })
	_, err = operator.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
}
