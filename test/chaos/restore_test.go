//go:build linux

package chaos

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/test/natsserver"
)

// replica returns the process of a node of a cluster, which is not started.
func replica(t *testing.T, servers *natsserver.Cluster, name string) *process {
	t.Helper()
	return &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{
		"BELLHOP_NATS_URL=" + servers.URL, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true", "BELLHOP_NODE=" + name,
	}}
}

func (p *process) waitUntilReady() {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.get("/readyz").StatusCode == http.StatusOK }, timeout, 10*time.Millisecond)
}

// writeCheckpoint makes the cluster write a checkpoint, since there is none any longer, and
// waits for one that has all messages that are in the stream now.
func writeCheckpoint(t *testing.T, servers *natsserver.Cluster) {
	t.Helper()
	conn := servers.Connect(t)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "OBJ_BELLHOP_CHECKPOINTS")
	require.NoError(t, err)
	entries, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	last := entries.CachedInfo().State.LastSeq
	checkpoints, err := journal.NewCheckpoints(conn, journal.CheckpointOptions{Stream: "BELLHOP", Replicas: 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		all, err := checkpoints.List(t.Context(), "")
		if err != nil || len(all) == 1 && all[0].Position >= last {
			return err == nil
		}
		if len(all) > 0 { // it was on its way before
			require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject("$O.BELLHOP_CHECKPOINTS.M.>")))
		}
		return false
	}, timeout, 20*time.Millisecond)
}

// fill publishes notifications to ada that cannot be compressed, so that copying the store takes a
// while.
func (p *process) fill(notifications int) {
	p.t.Helper()
	incompressible := make([]byte, 6_000)
	for n := range notifications {
		rand.Read(incompressible)
		body := fmt.Sprintf(`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":0,"n":%d,"filler":%q}}`, n, base64.StdEncoding.EncodeToString(incompressible))
		require.Equal(p.t, http.StatusAccepted, p.post(body).StatusCode)
	}
}

// TestKillDuringARestore kills a node with SIGKILL at random moments while it restores a
// checkpoint. The next start restores the whole checkpoint, and the node has every notification
// once and in order.
func TestKillDuringARestore(t *testing.T) {
	const notifications, kills = 200, 5
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := replica(t, servers, "first")
	first.start()
	first.waitUntilReady()
	first.fill(notifications)
	writeCheckpoint(t, servers)

	second := replica(t, servers, "second")
	begun := make(chan string, 1)
	second.onLog = func(msg string) {
		if strings.HasPrefix(msg, "a checkpoint replaces") || strings.HasPrefix(msg, "the store follows") {
			select {
			case begun <- msg:
			default: // the second message of a restore
			}
		}
	}
	interrupted := 0
	for range kills {
		second.start()
		var msg string
		select {
		case msg = <-begun:
		case <-time.After(timeout):
			t.Fatal("the node does not start")
		}
		<-time.After(time.Duration(mathrand.IntN(30)) * time.Millisecond) // the moment of the fault
		second.kill()
		select {
		case <-begun: // the restore was complete; the next start shall restore again
			require.NoError(t, os.RemoveAll(filepath.Join(second.dir, "store")))
		default:
			if strings.HasPrefix(msg, "a checkpoint") {
				interrupted++
			}
		}
	}
	t.Logf("%d of %d kills have interrupted a restore", interrupted, kills)
	second.onLog = nil
	second.start()
	second.waitUntilReady()
	want := first.history()
	require.Len(t, want[0], notifications)
	require.Equal(t, want, second.history())
	second.kill()
	first.kill()
}
