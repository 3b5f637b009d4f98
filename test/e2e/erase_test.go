package e2e

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// filesWith returns the files of a node that contain a text.
func (n *instance) filesWith(t *testing.T, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(n.cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // deleted meanwhile
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(text)) {
			names = append(names, filepath.Base(path))
		}
		return nil
	})
	require.NoError(t, err)
	return names
}

// A user asks for what is kept, and then to be forgotten: the export has the text, and when the
// erasure is answered, no file of the store has it on the node that answers, and soon on no other
// node. Others keep their notifications.
func TestAUserIsExportedAndErased(t *testing.T) {
	s := start(t)
	const secretText = "kV8mQ2zR7tX4wN9c"
	admin := []string{"Authorization", "Bearer " + token(t, "ops", notify.ScopeAdmin)}
	s.publish(secretText, "ada")
	s.publish("for both", "ada", "grace")
	s.mark("ada", "read", `{"all":true}`)
	s.restart() // a node of a cluster writes to its files late
	ada := s.live("ada")
	for _, n := range s.nodes {
		require.NotEmpty(t, n.filesWith(t, secretText), "the test can find it")
	}

	export := s.do("GET", "/users/ada/export", "", admin...)
	require.Equal(t, http.StatusOK, export.StatusCode, "%s", export.body)
	assert.Contains(t, string(export.body), secretText)
	assert.True(t, strings.HasPrefix(string(export.body), `{"kind":"user","user":"ada"`))
	assert.Contains(t, string(export.body), `{"kind":"end","lines":5}`, "the user, two notifications, a change, and the read state of others")

	a := s.do("DELETE", "/users/ada", "", admin...)
	require.Equal(t, http.StatusNoContent, a.StatusCode, "%s", a.body)
	assert.Empty(t, s.nodes[s.turn].filesWith(t, secretText))
	for _, n := range s.nodes {
		assert.Eventually(t, func() bool { return len(n.filesWith(t, secretText)) == 0 }, timeout, 50*time.Millisecond)
	}
	changed := ada.changes(1)[0]
	assert.Len(t, changed.Data["recalled"], 2, "an open page removes what it shows")
	code, _, _ := ada.closed()
	assert.Equal(t, 4410, code)

	assert.Empty(t, s.inbox("ada", "?state=all").Items)
	assert.Len(t, s.inbox("grace", "").Items, 1)
	assert.Contains(t, string(s.do("GET", "/users/ada/export", "", admin...).body), `{"kind":"end","lines":1}`)
	s.publish("later", "ada")
	assert.Len(t, s.inbox("ada", "").Items, 1, "the name can be used again")
}

// Nothing is remembered of an erased user, so a device that was away goes on from its cursor: it
// neither receives reset nor learns which notifications have disappeared. That the user was left
// out of a notification to everyone is forgotten too, as openapi.yaml says.
func TestADeviceThatWasAwayDuringAnErasure(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer " + token(t, "ops", notify.ScopeAdmin, notify.ScopeBroadcast)}
	a := s.do("POST", "/notify", `{"to":{"all":true,"except":["ada"]},"type":"t","title":"hidden"}`, admin...)
	require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	s.publish("own", "ada")
	assert.Len(t, s.inbox("ada", "?state=all").Items, 1)
	cursor := s.live("ada").cursor

	a = s.do("DELETE", "/users/ada", "", admin...)
	require.Equal(t, http.StatusNoContent, a.StatusCode, "%s", a.body)
	s.connectTo("ada", cursor).expect("live")
	items := s.inbox("ada", "?state=all").Items
	require.Len(t, items, 1)
	assert.Equal(t, "hidden", items[0].Title)
}
