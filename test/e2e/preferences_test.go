package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// prefer sets the preferences of a user, as the user.
func (s *service) prefer(user, body string) {
	s.t.Helper()
	a := s.do("PUT", "/preferences", body, "Authorization", "Bearer "+token(s.t, user))
	require.Equal(s.t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.JSONEq(s.t, body, string(a.body))
}

// Preferences are the user's own, on every node and after a restart; operators may read and replace
// them, and API keys have none.
func TestPreferencesAreKept(t *testing.T) {
	s := start(t)
	const rules = `{"rules":[{"type":"comment.*","level":"silent"}],"quiet":{"from":"22:00","to":"07:00","zone":"Asia/Kathmandu"}}`
	get := func(path, token string) response { return s.do("GET", path, "", "Authorization", "Bearer "+token) }
	s.prefer("ada", rules)
	s.restart()
	require.JSONEq(t, rules, string(get("/preferences", token(t, "ada")).body))
	require.JSONEq(t, `{"rules":[]}`, string(get("/preferences", token(t, "grace")).body))
	operator := token(t, "root", notify.ScopeAdmin)
	require.JSONEq(t, rules, string(get("/users/ada/preferences", operator).body))
	require.Equal(t, http.StatusForbidden, get("/users/ada/preferences", token(t, "grace")).StatusCode)
	a := s.do("PUT", "/users/ada/preferences", `{"rules":[]}`, "Authorization", "Bearer "+operator)
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.JSONEq(t, `{"rules":[]}`, string(get("/preferences", token(t, "ada")).body))
}
