package guide

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// logLevel changes the level of the log and returns to the configured one. Requests have lines
// meanwhile.
func logLevel(t *testing.T, c chapter) {
	m := newMachine(t)
	m.start()
	b := c.next()
	lines := strings.Split(strings.TrimSpace(m.run(b)), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "debug until ")
	require.Contains(t, lines[1], "debug until ")
	require.Equal(t, "info", lines[2])
	require.Equal(t, 3, strings.Count(m.sh("journalctl -u bellhop"), `"action":"log-level"`))
}

// whyNot asks why a notification did not arrive.
func whyNot(t *testing.T, c chapter) {
	m := newMachine(t)
	m.start()
	m.sh("bellhop topics add news ada --token " + token(t, "backend", notify.ScopeTopics))
	id := m.sh("bellhop send --user ada --type test --title hello --token " + token(t, "backend", notify.ScopePublish) + ` | cut -d'"' -f4`)
	m.set("ID="+id, "BELLHOP_TOKEN="+token(t, "operator", notify.ScopeAdmin, notify.ScopeTopics))
	shown := m.run(c.next())
	require.Contains(t, shown, "is in the inbox")
	require.Contains(t, shown, "no connection is open")
	require.Contains(t, shown, "hello")
	require.Contains(t, shown, "news")
	require.Contains(t, shown, `"rules"`)
}

// console asks the paths of the console's page, and closes a connection.
func console(t *testing.T, c chapter) {
	m := newMachine(t)
	m.start()
	id := m.sh("bellhop send --user ada --type test --title hello --token " + token(t, "backend", notify.ScopePublish) + ` | cut -d'"' -f4`)
	m.set("ID=" + id)
	m.begin("exec bellhop listen --token " + token(t, "ada") + " > listen.log 2>&1")
	m.waitFor("cat listen.log", "connected as ada")
	shown := m.run(c.next())
	require.Contains(t, shown, "event: hello")
	require.Contains(t, shown, `"transport":"websocket"`)
	require.Contains(t, shown, "hello")
	m.waitFor("cat listen.log", "connecting again")
}
