package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// device is a client of a user, which resumes with the last cursor that it received.
type device struct {
	t      *testing.T
	ws     *websocket.Conn
	token  string
	cursor string
}

// connect connects d to a node.
func (d *device) connect(n *node) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), timeout)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer " + d.token}}
	ws, _, err := websocket.Dial(ctx, n.url+"/ws?cursor="+url.QueryEscape(d.cursor), &websocket.DialOptions{HTTPHeader: header})
	require.NoError(d.t, err)
	d.ws = ws
	d.t.Cleanup(func() { _ = ws.CloseNow() })
}

// wants receives these events, apart from those that only count. Of a reset, the text is the reason,
// and of a notification the title.
func (d *device) wants(events ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), timeout)
	defer cancel()
	var got []string
	for len(got) < len(events) {
		_, frame, err := d.ws.Read(ctx)
		require.NoError(d.t, err, "after %q", got)
		var m struct {
			Event, Cursor string
			Data          struct{ Reason, Title string }
		}
		require.NoError(d.t, json.Unmarshal(frame, &m))
		if m.Cursor != "" {
			d.cursor = m.Cursor
		}
		if m.Event != "inbox" {
			got = append(got, strings.TrimSpace(m.Event+" "+m.Data.Reason+m.Data.Title))
		}
	}
	require.Equal(d.t, events, got)
}

// publish publishes a notification to ada.
func (n *node) publish(t *testing.T, title string) {
	t.Helper()
	body := strings.NewReader(`{"to":{"users":["ada"]},"type":"t","title":"` + title + `"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/notify", body)
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + token(t, "backend", notify.ScopePublish)}, "Content-Type": {"application/json"}}
	status, answer, err := do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, status, answer)
}

// A journal is lost and recovered from the store of a node that lacks the last notification. A
// client that has received it, and resumes, receives a reset, since what it has may be gone. It
// also receives what is left and everything that comes, and its next cursor is valid again.
func TestARecoveredJournalIsAnnounced(t *testing.T) {
	t.Parallel()
	program := bellhop.Path(t)
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first, second := settings(t, servers), settings(t, servers)
	second.Node = "node-2"
	first.JWTSecret[0], second.JWTSecret[0] = secret, secret
	chosen, other := start(t, first), start(t, second)
	chosen.requireReady(t)
	other.requireReady(t)
	ada := &device{t: t, token: token(t, "ada")}
	ada.connect(other)
	ada.wants("welcome", "live")
	chosen.publish(t, "kept")
	ada.wants("notification kept")
	away := &device{t: t, token: ada.token, cursor: ada.cursor}
	chosen.stop()
	other.publish(t, "lost")
	ada.wants("notification lost")

	other.stop()
	js, err := jetstream.New(servers.Connect(t))
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), "BELLHOP"))
	recovers := exec.CommandContext(t.Context(), program, "cluster", "recover", "--yes")
	recovers.Env = append(os.Environ(), "BELLHOP_NATS_URL="+servers.URL, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true", "BELLHOP_DATA_DIR="+first.DataDir)
	out, err := recovers.CombinedOutput()
	require.NoError(t, err, "%s", out)

	chosen, other = start(t, first), start(t, second)
	chosen.requireReady(t)
	other.requireReady(t)
	for _, d := range []*device{ada, away} { // it cannot be known which devices have received what is lost
		d.connect(other)
		d.wants("welcome", "reset unknown", "notification kept", "live")
	}
	chosen.publish(t, "after")
	ada.wants("notification after")
	require.NoError(t, ada.ws.CloseNow())
	chosen.publish(t, "missed")
	ada.connect(chosen)
	ada.wants("welcome", "notification missed", "live")
}
