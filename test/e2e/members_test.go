package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// manage sends a request with the scope notify:topics, and returns the answer, which must have a
// status.
func (s *service) manage(status int, method, path, body string) response {
	s.t.Helper()
	a := s.do(method, path, body, "Authorization", "Bearer "+token(s.t, "backend", notify.ScopeTopics))
	require.Equal(s.t, status, a.StatusCode, "%s", a.body)
	return a
}

// A member hears what is published between joining and leaving, at once on open connections, and
// keeps it. Lists, counts and resumes agree.
func TestMembersHearATopic(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	s.publishTo("before", "team")
	a := s.manage(200, "POST", "/topics/team/members", `{"add":["ada","grace","ada"]}`)
	assert.JSONEq(t, `{"added":2,"removed":0}`, string(a.body))
	cursor := ada.cursor
	s.publishTo("one", "team")
	f := ada.read()
	assert.Equal(t, "one", f.text("title"))
	assert.Equal(t, "team", f.text("topic"))
	s.publishTo("two", "other", "team")
	ada.expect("two")

	a = s.manage(200, "POST", "/topics/team/members", `{"remove":["ada","eve"]}`)
	assert.JSONEq(t, `{"added":0,"removed":1}`, string(a.body))
	s.publishTo("after", "team")
	s.publish("last", "ada")
	ada.expect("last")

	assert.Equal(t, []string{"last", "two", "one"}, s.inbox("ada", "").titles())
	assert.Equal(t, 3, s.inbox("ada", "").Unread)
	s.connect("ada", cursor).expect("one", "two", "last", "live")
	assert.Equal(t, []string{"after", "two", "one"}, s.inbox("grace", "").titles())

	assert.Equal(t, 2, s.mark("ada", "read", byID(s.inbox("ada", "").Items[2].ID)), "as any notification")
	assert.NotNil(t, ada.changes(1)[0].Data["read"])
	a = s.do("DELETE", "/notifications/"+s.inbox("ada", "").Items[1].ID, "", "Authorization", "Bearer "+admin(t))
	require.Equal(t, http.StatusNoContent, a.StatusCode)
	assert.NotNil(t, ada.changes(1)[0].Data["recalled"], "one who has left hears of the recall")
	assert.Equal(t, []string{"last", "one"}, s.inbox("ada", "").titles())
}

// The topics of a user can be listed and replaced, and members are listed page by page.
func TestTopicsAndMembersAreListed(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	a := s.manage(200, "PUT", "/users/ada/topics", `{"topics":["news","team","team"]}`)
	assert.JSONEq(t, `{"added":2,"removed":0}`, string(a.body))
	a = s.manage(200, "PUT", "/users/ada/topics", `{"topics":["team","a/b"]}`)
	assert.JSONEq(t, `{"added":1,"removed":1}`, string(a.body))
	assert.JSONEq(t, `{"topics":["a/b","team"]}`, string(s.manage(200, "GET", "/users/ada/topics", "").body))
	s.publishTo("news", "news")
	s.publishTo("slash", "a/b")
	ada.expect("slash")
	assert.JSONEq(t, `{"members":["ada"]}`, string(s.manage(200, "GET", "/topics/a%2Fb/members", "").body))

	var users []string
	for i := range 5 {
		users = append(users, fmt.Sprintf("%q", fmt.Sprint("user-", i)))
	}
	s.manage(200, "POST", "/topics/many/members", `{"add":[`+strings.Join(users, ",")+`]}`)
	assert.JSONEq(t, `{"members":["user-0","user-1"],"next":"user-1"}`, string(s.manage(200, "GET", "/topics/many/members?limit=2", "").body))
	assert.JSONEq(t, `{"members":["user-4"]}`, string(s.manage(200, "GET", "/topics/many/members?limit=2&after=user-3", "").body))
	assert.JSONEq(t, `{"topics":[]}`, string(s.manage(200, "GET", "/users/nobody/topics", "").body))
}

// Wrong requests about members are refused with the rule, and change nothing.
func TestWrongRequestsAboutMembers(t *testing.T) {
	s := start(t)
	for body, pointer := range map[string]string{
		`{}`:                               "",
		`{"add":[]}`:                       "",
		`{"add":["a b"]}`:                  "/add/0",
		`{"remove":["ada",""]}`:            "/remove/1",
		`{"add":["ada"],"remove":["ada"]}`: "/remove/0",
		`{"add":["ada"],"except":[]}`:      "/except",
		`{"add":"ada"}`:                    "/add",
	} {
		a := s.manage(422, "POST", "/topics/team/members", body)
		assert.Contains(t, string(a.body), `"pointer":"`+pointer+`"`, body)
	}
	s.manage(422, "PUT", "/users/ada/topics", `{}`)
	s.manage(422, "PUT", "/users/ada/topics", `{"topics":["team","a.*"]}`)
	s.manage(404, "POST", "/topics/a.*/members", `{"add":["ada"]}`)
	s.manage(404, "GET", "/topics/%2e%2e/members", "")
	s.manage(400, "GET", "/topics/team/members?limit=0", "")
	s.manage(400, "GET", "/topics/team/members?before=x", "")
	assert.JSONEq(t, `{"members":[]}`, string(s.manage(200, "GET", "/topics/team/members", "").body))

	for _, of := range []string{token(t, "ada"), admin(t)} {
		assert.Equal(t, 403, s.do("POST", "/topics/team/members", `{"add":["ada"]}`, "Authorization", "Bearer "+of).StatusCode)
		assert.Equal(t, 403, s.do("GET", "/users/ada/topics", "", "Authorization", "Bearer "+of).StatusCode)
	}
}
