//go:build linux

package guide

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// logs changes the level of the log, and finds the lines of a user.
func logs(t *testing.T, c chapter) {
	logLevel(t, c)
	linesOfAUser(t, c)
}

// linesOfAUser finds the lines of a user at the default level: of a connection that was closed and of
// refused requests, also of one with a token that has expired. The log does not name the user.
func linesOfAUser(t *testing.T, c chapter) {
	t.Helper()
	m := newMachine(t, "connections_per_user: 1")
	m.start()
	expired, err := auth.Sign([]byte(secret), auth.Claims{User: "ada", Expires: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	m.set("ADA="+token(t, "ada"), "EXPIRED="+expired)
	for _, file := range []string{"replaced", "open"} {
		m.begin(`exec curl -sN -H "Authorization: Bearer $ADA" "$BELLHOP_URL/events" > ` + file)
		m.waitFor("cat "+file, "event: live")
	}
	for path, status := range map[string]string{
		`$ADA" "$BELLHOP_URL/inbox?colour=1`: "400", `$ADA" "$BELLHOP_URL/users/ada/inbox`: "403", `$EXPIRED" "$BELLHOP_URL/inbox`: "401",
	} {
		require.Equal(t, status, m.sh(`curl -s -o answer -w '%{http_code}' -H "Authorization: Bearer `+path+`"`))
	}
	m.waitFor("journalctl -u bellhop", "token-expired")
	m.waitFor("journalctl -u bellhop", `"problem":"scope"`)
	m.waitFor("journalctl -u bellhop", `"problem":"replaced"`)
	found := m.run(c.next())
	for _, problem := range []string{"replaced", "malformed", "scope", "token-expired"} {
		require.Equal(t, 1, strings.Count(found, `"problem":"`+problem+`"`), "%s in %s", problem, found)
	}
	require.NotContains(t, found, `"level":"DEBUG"`)
	require.NotRegexp(t, `\bada\b`, m.sh("journalctl -u bellhop"))
}

// logLevel changes the level of the log and returns to the configured one. Requests have lines
// meanwhile.
func logLevel(t *testing.T, c chapter) {
	t.Helper()
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

// whyNot asks why a notification did not arrive, and why a client was reset.
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
	m.sh(`curl -sSf -X DELETE "$BELLHOP_URL/notifications/$ID" -H "Authorization: Bearer $BELLHOP_TOKEN"`)
	require.Contains(t, m.run(c.next()), id)
	m.sh("bellhop send --user ada --type test --title another --token " + token(t, "backend", notify.ScopePublish))

	m.set("ADA=" + token(t, "ada"))
	m.begin(`exec curl -sN -H "Authorization: Bearer $ADA" "$BELLHOP_URL/events?cursor=of-another-service" > events`)
	m.waitFor("cat events", "event: reset")
	m.waitFor("bellhop metrics resets_total", `reason="unknown"} 1`)
	require.Contains(t, m.run(c.next()), "bellhop_replay_notifications_sum 1\n")
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
