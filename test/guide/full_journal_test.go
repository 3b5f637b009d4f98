//go:build linux

package guide

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// nearlyFullJournal runs a node that cannot write checkpoints, since root has left files in its data directory, so that its
// journal grows until it is nearly full. The commands show that, and why. A larger limit ends it, and so do two checkpoints
// when the node can write them.
func nearlyFullJournal(t *testing.T, c chapter) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	m := clusterNode(t, nats, "node-1", nats.Servers[0].Monitor)
	m.set("NATS_URL="+nats.URL, "MAX_BYTES=512MB")
	m.script("nats", `exec `+natsTool(t)+` "$@"`)
	m.start()
	m.waitFor("bellhop cluster", "last checkpoint: sequence")
	m.sh(`mkdir -p "$DATA/checkpoint.upload/left"; touch "$DATA/checkpoint.upload/left/behind"`)
	m.sh("nats stream edit BELLHOP --max-bytes 64MB --force") // the least that is allowed
	m.fillJournal(nats, 56<<20)
	m.waitForMatch("bellhop metrics checkpoint_failures", `_total [1-9]`)
	m.waitForMatch("bellhop metrics journal_stream", `bellhop_journal_stream_bytes [56]\d{7} .*\n.* 67108864 `)

	show, written, raise, reason := c.next(), c.next(), c.next(), c.next()
	require.Regexp(t, `(?s)checkpoint_failures_total [1-9].*stream_bytes [56]\d{7} .*stream_limit_bytes 67108864 .*READY.*\nlast checkpoint: sequence \d,`, m.run(show))
	m.waitFor("journalctl -u bellhop", "a checkpoint cannot be written")
	require.Regexp(t, `(?s)checkpoint_failures_total [1-9].*a checkpoint cannot be written.*left/behind: permission denied`, m.run(reason))

	require.Contains(t, m.run(raise), "Maximum Bytes: 512 MiB")
	m.waitForMatch("bellhop metrics journal_stream", `bellhop_journal_stream_bytes [56]\d{7} .*\n.* 536870912 `)
	m.sh(`chown -R --reference="$DATA" "$DATA"`)
	require.Regexp(t, `(?s)journal: stream BELLHOP, messages \d{3,} to \d+, \d{1,5} bytes.*last checkpoint: sequence \d{3,},`, m.run(written))
	m.waitForMatch("bellhop metrics journal_stream", `bellhop_journal_stream_bytes \d{1,5} `)
}

// fillJournal publishes until the stream has a number of bytes.
func (m *machine) fillJournal(nats *natsserver.Cluster, bytes uint64) {
	m.t.Helper()
	js, err := jetstream.New(nats.Connect(m.t))
	require.NoError(m.t, err)
	stream, err := js.Stream(m.t.Context(), "BELLHOP")
	require.NoError(m.t, err)
	item := fmt.Sprintf(`,{"to":{"users":["ada"]},"type":"test","title":"x","data":{"filler":%q}}`, noise(16_000))
	batch := `{"notifications":[` + strings.Repeat(item, 100)[1:] + "]}"
	for begun := time.Now(); ; {
		info, err := stream.Info(m.t.Context())
		require.NoError(m.t, err)
		if info.State.Bytes >= bytes {
			return
		}
		require.Less(m.t, time.Since(begun), timeout, "the stream has %d bytes", info.State.Bytes)
		status, answer := m.post("/notify/batch", batch, "Authorization", "Bearer "+token(m.t, "backend", notify.ScopePublish))
		require.Equal(m.t, http.StatusAccepted, status, answer)
	}
}
