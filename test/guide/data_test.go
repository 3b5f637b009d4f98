//go:build linux

package guide

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// backupAndRestore makes a backup while others publish, and restores it after the data have changed.
// The restored store has what was acknowledged before the backup, and clients go on.
func backupAndRestore(t *testing.T, c chapter) {
	m := newMachine(t)
	m.start()
	m.send("ada", 5)
	want := m.inbox("ada")
	load := startTraffic(t, m)
	load.Grows(t)
	out := m.run(c.next())
	require.Contains(t, out, "backup complete: bellhop.tar.zst")
	require.Contains(t, out, "restored: ./restored")
	require.NoDirExists(t, m.path("restored"))
	load.Grows(t)
	load.Stop()
	m.send("ada", 1)
	require.NotEqual(t, want, m.inbox("ada"))

	m.run(c.next())
	require.Equal(t, want, m.inbox("ada"), "the inbox at the time of the backup")
	require.FileExists(t, filepath.Join(m.data+".before", "watermark"))
	m.send("ada", 1)
	require.Equal(t, strings.Count(want, "\n")+1, strings.Count(m.inbox("ada"), "\n"))
}

// copyCheckpoint copies the newest checkpoint of a cluster, and restores it.
func copyCheckpoint(t *testing.T, c chapter) {
	m, _ := clusteredMachine(t)
	require.Contains(t, m.run(c.next()), "restored: ./restored")
	require.NoDirExists(t, m.path("restored"))
}

// damage destroys a file of the store, with which the service does not start, and begins with an empty
// one. The loss is counted, and a client that was there before receives a reset.
func damage(t *testing.T, c chapter) {
	m := newMachine(t)
	m.start()
	m.send("ada", 3)
	cursor := m.sh("bellhop inbox --user ada --json --token " + token(t, "operator", notify.ScopeAdmin) + ` 2> /dev/null | head -n 1 | grep -o '"cursor":"[^"]*"' | cut -d'"' -f4`)
	m.crash()
	m.sh(`for f in "$DATA"/store/MANIFEST-*; do truncate -s 10 "$f"; done; systemctl start bellhop`)
	require.Eventually(t, m.hasEnded, timeout, 10*time.Millisecond, "it starts")
	m.waitFor("journalctl -u bellhop", m.data+"/store away")
	require.Regexp(t, "bellhop_store_lost_entries [3-9]", m.run(c.next()))
	require.DirExists(t, m.data+".damaged")
	m.begin("exec bellhop listen --cursor " + cursor + " --token " + token(t, "ada") + " > listen.log 2>&1")
	m.waitFor("cat listen.log", "reset")
	m.send("ada", 1)
	require.Contains(t, m.inbox("ada"), `"title":"0"`)
}

// upgrade replaces the program under load. Nothing is lost, clients resume, and the new program runs.
func upgrade(t *testing.T, c chapter) {
	m := newMachine(t)
	m.install("../bellhop-new", newer.Path(t))
	m.start()
	load := startTraffic(t, m)
	load.Grows(t)
	before := m.executable()
	b := c.next()
	require.Contains(t, m.run(b), "bellhop_build_info{")
	require.NotEqual(t, before.Size(), m.executable().Size(), "the old program runs")
	load.Grows(t)

	require.NoError(t, os.Rename(m.path("bellhop-old"), m.path("bellhop-new"))) // the way back
	require.NoError(t, os.Remove(m.path("before.tar.zst")))
	m.run(b)
	require.Equal(t, before.Size(), m.executable().Size())
	load.Grows(t)
	requireWhole(t, load)
}

// erase erases a user. Tokens of the user are refused, and the files have neither text nor inbox of the
// user; another user keeps everything.
func erase(t *testing.T, c chapter) {
	m := newMachine(t)
	m.start()
	hers, his := rand.Text(), rand.Text()
	for user, text := range map[string]string{"ada": hers, "bob": his} {
		status, answer := m.post("/notify", fmt.Sprintf(`{"to":{"users":[%q]},"type":"test","title":%q}`, user, text),
			"Authorization", "Bearer "+token(t, "backend", notify.ScopePublish))
		require.Equal(t, http.StatusAccepted, status, answer)
	}
	require.NotEmpty(t, m.filesWith(hers), "the files have no text that can be searched")
	keeps := m.inbox("bob")
	ada := token(t, "ada")
	list := func() int {
		return status(t, http.MethodGet, "http://"+m.public+"/inbox", ada)
	}
	require.Equal(t, http.StatusOK, list())
	m.set("BELLHOP_TOKEN=" + token(t, "operator", notify.ScopeAdmin))
	m.run(c.next())
	exported, err := os.ReadFile(m.path("ada.ndjson"))
	require.NoError(t, err)
	require.Contains(t, string(exported), hers)
	require.Equal(t, http.StatusUnauthorized, list(), "the token was revoked")
	require.Empty(t, m.filesWith(hers), "files of the store have the text")
	require.NotEmpty(t, m.filesWith(his))
	require.Empty(t, m.inbox("ada"))
	require.Equal(t, keeps, m.inbox("bob"))
	eraseFromJournal(t, c)
}

// eraseFromJournal erases a user of a cluster, and then removes the text from the journal and its checkpoints.
func eraseFromJournal(t *testing.T, c chapter) {
	t.Helper()
	m, servers := clusteredMachine(t)
	text := rand.Text()
	m.sh("bellhop send --user ada --type test --title " + text + " --token " + token(t, "backend", notify.ScopePublish))
	m.sh("bellhop send --user bob --type test --title kept --token " + token(t, "backend", notify.ScopePublish))
	require.Positive(t, messagesWith(t, servers, text), "the stream has no text that can be searched")
	restored := func(archive string) string {
		return m.sh("bellhop restore --from " + archive + " --data-dir ./restored >&2; grep -rla '" + text + "' restored || true; rm -r restored")
	}
	m.sh("bellhop backup --to before.tar.zst")
	require.Contains(t, restored("before.tar.zst"), "restored/store/")
	m.set("BELLHOP_TOKEN=" + token(t, "operator", notify.ScopeAdmin))
	m.run(firstBlock(t, "Export and erasure"))
	require.Positive(t, messagesWith(t, servers, text), "the guide says that it remains")

	m.run(c.next())
	require.Zero(t, messagesWith(t, servers, text))
	names := strings.Fields(m.sh("nats object ls BELLHOP_CHECKPOINTS --names | grep '^[0-9]'"))
	require.Len(t, names, 2)
	for _, name := range names {
		m.sh("nats object get BELLHOP_CHECKPOINTS " + name + " --output after.tar.zst --force --no-progress")
		require.NotContains(t, restored("after.tar.zst"), "restored/store/")
	}

	m.units["nats-server"] = natsUnit{t, servers.Servers[0]}
	m.set("NATS_1=" + servers.Servers[0].Monitor)
	m.run(c.next())
	m.sh("bellhop health --wait 1m")
	m.sh(`systemctl stop bellhop; rm -r "$DATA"`)
	m.start() // with the new checkpoint and the messages after it
	require.Empty(t, m.inbox("ada"))
	require.Contains(t, m.inbox("bob"), "kept")
}

// messagesWith returns how many messages of the stream have a text.
func messagesWith(t *testing.T, servers *natsserver.Cluster, text string) (n int) {
	t.Helper()
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), "BELLHOP")
	require.NoError(t, err)
	all := s.CachedInfo().State
	require.Positive(t, all.Msgs)
	for at := all.FirstSeq; at <= all.LastSeq; at++ {
		m, err := s.GetMsg(t.Context(), at)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		require.NoError(t, err)
		if strings.Contains(string(m.Data), text) {
			n++
		}
	}
	return n
}

// filesWith returns the names of the files of the data directory that have a text.
func (m *machine) filesWith(text string) string {
	m.t.Helper()
	return m.sh("grep -rla '" + text + "' \"$DATA\" || true")
}

func status(t *testing.T, method, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}
