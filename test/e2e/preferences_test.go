package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
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

// publishTyped publishes a notification of a type with itself as the title.
func (s *service) publishTyped(name string, to string) string {
	s.t.Helper()
	a := s.do("POST", "/notify", `{"to":`+to+`,"type":"`+name+`","title":"`+name+`"}`,
		"Authorization", "Bearer "+token(s.t, "backend", notify.ScopePublish, notify.ScopeBroadcast))
	require.Equal(s.t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	id, _ := a.json(s.t)["id"].(string)
	return id
}

// returned reads until a connection closes because of other preferences, and connects again with its
// cursor. It requires that a reset follows, and then what expect compares with the words.
func (c *connection) returned(words ...string) *connection {
	c.s.t.Helper()
	code, reason, _ := c.closed()
	require.Equal(c.s.t, 4410, code)
	require.Equal(c.s.t, "preferences-changed", reason)
	back := c.s.connect("ada", c.cursor)
	f := back.read()
	require.Equal(c.s.t, "reset", f.Event)
	require.Equal(c.s.t, "preferences", f.text("reason"))
	back.expect(append(words, "live")...)
	return back
}

// While a rule says off, a notification is as if it had not been published to the user: live, after a
// reconnect, in lists and counts, and for marks. Connected clients learn at once that older ones are
// gone, and that they are back when the rule is removed, as unread as they were.
func TestNotificationsThatAreOffAreNowhere(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	all, mine := `{"all":true}`, `{"users":["ada","grace"]}`
	first := s.publishTyped("comment.first", mine)
	s.publishTyped("build.first", all)
	ada.expect("comment.first", "build.first")

	s.prefer("ada", `{"rules":[{"type":"comment.*","level":"off"}]}`)
	ada = ada.returned("build.first")
	second := s.publishTyped("comment.second", all)
	s.publishTyped("build.second", mine)
	ada.expect("build.second")
	s.connect("ada", ada.cursor).expect("live")
	for _, query := range []string{"", "?state=all", "?type=comment.*", "?state=unread&priority=normal"} {
		page := s.inbox("ada", query)
		assert.NotContains(t, page.titles(), "comment.first", query)
		assert.NotContains(t, page.titles(), "comment.second", query)
		assert.Len(t, page.titles(), page.Unread, query)
	}
	counts := s.do("GET", "/inbox/counts?by=type", "", "Authorization", "Bearer "+token(t, "ada"))
	assert.JSONEq(t, `{"unread_count":2,"unseen_count":2,"by":{"build.first":{"unread":1,"unseen":1},"build.second":{"unread":1,"unseen":1}}}`, string(counts.body))
	assert.Equal(t, 2, s.mark("ada", "read", byID(first, second)), "they are not marked by their IDs")
	assert.Equal(t, 0, s.mark("ada", "read", `{"all":true}`))
	assert.Equal(t, 4, s.inbox("grace", "").Unread, "grace has other preferences")

	operator := token(t, "ops", notify.ScopeAdmin)
	for _, id := range []string{first, second} {
		traced := s.trace(operator, id, "?user=ada").Users[0]
		assert.Equal(t, notify.StatusMuted, traced.State)
		assert.Equal(t, notify.ReasonPreferences, traced.Reason)
		assert.EqualValues(t, "comment.*", traced.Rule.Type)
		assert.Equal(t, notify.StatusKept, s.trace(operator, id, "?user=grace").Users[0].State)
	}

	s.prefer("ada", `{"rules":[{"type":"comment.second","level":"silent"},{"type":"comment.*","level":"off"}]}`)
	ada = ada.returned("build.first", "comment.second", "build.second", "inbox")
	s.prefer("ada", `{"rules":[{"type":"comment.*","level":"silent"}]}`)
	ada = ada.returned("comment.first", "build.first", "comment.second", "build.second", "inbox")
	s.prefer("ada", `{"rules":[{"type":"comment.*","level":"alert"}],"quiet":{"from":"22:00","to":"07:00","zone":"UTC"}}`)
	s.publishTyped("comment.third", mine)
	ada.expect("comment.third") // nothing that is hidden has changed
	page := s.inbox("ada", "")
	assert.Equal(t, 3, page.Unread)
	assert.Equal(t, []string{"comment.third", "build.second", "comment.second", "build.first", "comment.first"}, page.titles())
}

// An event stream ends in the same way, and resumes with a reset.
func TestAnEventStreamEndsWithOtherPreferences(t *testing.T) {
	s := start(t)
	l := s.listen("", token(t, "ada"))
	require.Equal(t, "welcome", l.next().event)
	require.Equal(t, "live", l.next().event)
	s.publishTyped("comment", `{"users":["ada"]}`)
	cursor := l.next().id
	s.prefer("ada", `{"rules":[{"level":"off"}]}`)
	require.Contains(t, l.last().data, "preferences-changed")
	l = s.listen("", token(t, "ada"), "Last-Event-ID", cursor)
	require.Equal(t, "welcome", l.next().event)
	require.Equal(t, `{"reason":"preferences"}`, l.next().data)
	require.Equal(t, `{"unread_count":0,"unseen_count":0}`, l.next().data)
}

// Of notifications with the same collapse key, the newest counts, even if it is hidden: then the user has
// none of them. Of a hidden one, the user learns the ID when another one replaces it.
func TestTheNewestWithACollapseKeyCountsThoughItIsHidden(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	s.prefer("ada", `{"rules":[{"type":"muted","level":"off"}]}`)
	ada = ada.returned()
	publish := func(name string) string {
		a := s.post("/notify", `{"to":{"users":["ada"]},"type":"`+name+`","title":"`+name+`","collapse_key":"k"}`)
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		id, _ := a.json(t)["id"].(string)
		return id
	}
	recalled := func() any {
		for {
			if f := ada.changes(1)[0]; f.Data["recalled"] != nil { // others have the counts
				return f.Data["recalled"]
			}
		}
	}
	first := publish("shown")
	ada.expect("shown")
	hidden := publish("muted")
	assert.Equal(t, []any{first}, recalled())
	assert.Empty(t, s.inbox("ada", "?state=all").Items)
	publish("shown")
	assert.Equal(t, []any{hidden}, recalled())
	assert.Equal(t, hidden, ada.read().text("replaces"))
	assert.Equal(t, []string{"shown"}, s.inbox("ada", "?state=all").titles())
}

// Connections of a user with rules that say off learn which notifications an erasure has removed, before
// they close because of it.
func TestAnErasureOfAUserWithRulesReachesOpenConnections(t *testing.T) {
	s := start(t)
	before := s.live("ada")
	s.prefer("ada", `{"rules":[{"type":"comment.*","level":"off"}]}`)
	page := before.returned() // connections that are open when the change is delivered end with it
	id := s.publishTyped("build", `{"users":["ada"]}`)
	page.expect("build")
	stream := s.listen("?cursor=earliest", token(t, "ada"))
	for _, name := range []string{"welcome", "notification", "live"} {
		require.Equal(t, name, stream.next().event)
	}
	a := s.do("DELETE", "/users/ada", "", "Authorization", "Bearer "+token(t, "ops", notify.ScopeAdmin))
	require.Equal(t, http.StatusNoContent, a.StatusCode, "%s", a.body)

	assert.Equal(t, []any{id}, page.changes(1)[0].Data["recalled"])
	code, reason, _ := page.closed()
	assert.Equal(t, 4410, code)
	assert.Equal(t, "disconnected", reason)
	assert.Contains(t, stream.next().data, `"recalled":["`+id+`"]`)
	assert.Contains(t, stream.last().data, `"disconnected"`)
	assert.JSONEq(t, `{"rules":[]}`, string(s.do("GET", "/preferences", "", "Authorization", "Bearer "+token(t, "ada")).body))
}
