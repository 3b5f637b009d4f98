package peers_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/test/logtext"
	"github.com/bellhop/bellhop/test/natsserver"
)

// A message that a node cannot read is a line in its log, whatever its subject is.
func TestUnreadableMessagesAreLogged(t *testing.T) {
	t.Parallel()
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	var log logtext.Log
	n := newNodeOn(servers.Connect(t), "a")
	n.Cluster = peers.NewCluster(peers.ClusterOptions{
		Conn: n.conn, Stream: "TEST", Node: "a", Version: "v1", Hub: n, Deliver: n.deliver, State: n.state, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, n.Join(t.Context()))
	t.Cleanup(func() { assert.NoError(t, n.Close()) })

	foreign := servers.Connect(t)
	for _, of := range []string{"beat", "ephemeral", "connections", "counts", "disconnect"} {
		subject := peers.SubjectPrefix("TEST") + of
		messages := [][]byte{nil, []byte("hello"), append([]byte{1, 5}, "other and more"...), {1, 0}}
		for _, data := range messages {
			require.NoError(t, foreign.PublishRequest(subject, foreign.NewRespInbox(), data))
		}
		line := fmt.Sprintf(`level=WARN msg="ignored an unreadable message of another node" subject=%s`, subject)
		require.Eventually(t, func() bool { return strings.Count(log.String(), line) == len(messages) }, timeout, time.Millisecond, of)
	}
}
