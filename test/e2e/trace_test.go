package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

func (s *service) trace(token, id, query string) (t httpapi.Trace) {
	a := s.do("GET", "/notifications/"+id+query, "", "Authorization", "Bearer "+token)
	require.Equal(s.t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.NoError(s.t, json.Unmarshal(a.body, &t))
	return t
}

// An operator learns why a user does not see a notification: who has read it, who is connected,
// and why it has left an inbox. So does its publisher, and nobody else.
func TestWhyItDidNotArrive(t *testing.T) {
	s := start(t)
	admin := token(t, "ops", notify.ScopeAdmin)
	publish := func(body string) string {
		a := s.do("POST", "/notify", body, "Authorization", "Bearer "+backend(t))
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		return a.json(t)["id"].(string)
	}
	s.live("ada")
	first := publish(`{"to":{"users":["ada","grace"]},"type":"t","title":"first","collapse_key":"k"}`)
	s.mark("ada", "read", byID(first))

	got := s.trace(admin, first, "")
	assert.Equal(t, "user:backend", got.PublishedBy)
	assert.Equal(t, notify.StatusKept, got.State)
	assert.Contains(t, string(got.Notification), `"title":"first"`)
	ada, grace := got.Users[0], got.Users[1]
	assert.NotEmpty(t, ada.ReadAt)
	assert.Equal(t, 1, *ada.Connections)
	assert.NotEmpty(t, ada.ConnectedSince)
	assert.Empty(t, grace.ReadAt)
	assert.Equal(t, 0, *grace.Connections)

	second := publish(`{"to":{"users":["grace"]},"type":"t","title":"second","collapse_key":"k"}`)
	grace = s.trace(backend(t), first, "?user=grace").Users[0]
	assert.Equal(t, notify.StatusReplaced, grace.State, "the publisher may know")
	assert.Equal(t, second, grace.ReplacedBy)
	require.Equal(t, http.StatusNoContent, s.do("DELETE", "/notifications/"+second, "", "Authorization", "Bearer "+admin).StatusCode)
	gone := s.trace(admin, second, "")
	assert.Equal(t, notify.StatusRecalled, gone.State)
	assert.Equal(t, "user:backend", gone.PublishedBy)
	assert.NotContains(t, string(gone.Notification), "second", "its text is gone")

	list := func(query string) (page httpapi.RemovedPage) {
		a := s.do("GET", "/users/grace/removed"+query, "", "Authorization", "Bearer "+admin)
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		require.NoError(t, json.Unmarshal(a.body, &page))
		return page
	}
	page := list("?limit=1")
	require.Len(t, page.Items, 1)
	assert.Contains(t, string(page.Items[0].Notification), second)
	assert.Equal(t, notify.StatusRecalled, page.Items[0].State)
	page = list("?limit=1&before=" + page.Next)
	require.Len(t, page.Items, 1)
	assert.Contains(t, string(page.Items[0].Notification), `"title":"first"`, "ada still has it")
	assert.Equal(t, second, page.Items[0].ReplacedBy)
	assert.Empty(t, page.Next)
	assert.Equal(t, http.StatusBadRequest, s.do("GET", "/users/grace/removed?before=x", "", "Authorization", "Bearer "+admin).StatusCode)

	muted := publish(`{"to":{"all":true,"except":["grace"]},"type":"t","title":"all"}`)
	assert.Empty(t, s.trace(admin, muted, "").Users)
	assert.Equal(t, notify.ReasonExcept, s.trace(admin, muted, "?user=grace").Users[0].Reason)
	deferred := publish(`{"to":{"users":["grace"]},"type":"t","title":"later","ttl":60,"deliver_at":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)
	assert.Equal(t, notify.StatusDeferred, s.trace(admin, deferred, "").Users[0].State)

	for _, stranger := range []string{token(t, "grace"), token(t, "other", notify.ScopePublish)} {
		a := s.do("GET", "/notifications/"+first, "", "Authorization", "Bearer "+stranger)
		assert.Equal(t, http.StatusNotFound, a.StatusCode)
		unknown := s.do("GET", "/notifications/0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10", "", "Authorization", "Bearer "+stranger)
		assert.Equal(t, a.json(t)["detail"], unknown.json(t)["detail"])
	}
}

// An operator learns whether a user was a member of a topic when a notification was published to it.
func TestWhyATopicDidNotReachAUser(t *testing.T) {
	s := start(t)
	members := func(change string) {
		a := s.do("POST", "/topics/team/members", change, "Authorization", "Bearer "+token(t, "teams", notify.ScopeTopics))
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	}
	publish := func() string {
		a := s.do("POST", "/notify", `{"to":{"topics":["team"]},"type":"t","title":"t"}`, "Authorization", "Bearer "+backend(t))
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		return a.json(t)["id"].(string)
	}
	memberOf := func(id string) []notify.Topic {
		return s.trace(token(t, "ops", notify.ScopeAdmin), id, "?user=ada").Users[0].MemberOf
	}
	before := publish()
	members(`{"add":["ada"]}`)
	during := publish()
	members(`{"remove":["ada"]}`)
	after := publish()
	assert.Equal(t, []notify.Topic{}, memberOf(before))
	assert.Equal(t, []notify.Topic{"team"}, memberOf(during))
	assert.Equal(t, []notify.Topic{}, memberOf(after))
}

// An operator sees the inbox that a user sees.
func TestOperatorsSeeTheInboxOfAUser(t *testing.T) {
	s := start(t)
	s.publish("one", "ada")
	s.publish("two", "ada")
	s.mark("ada", "seen", `{"all":true}`)
	own := s.inbox("ada", "?limit=1")
	list := func(query string) (p inboxPage) {
		a := s.do("GET", "/users/ada/inbox"+query, "", "Authorization", "Bearer "+token(t, "ops", notify.ScopeAdmin))
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		require.NoError(t, json.Unmarshal(a.body, &p))
		return p
	}
	page := list("?limit=1")
	assert.Equal(t, own.Items, page.Items)
	assert.Equal(t, own.Unread, page.Unread)
	assert.Equal(t, "one", list("?limit=1&before=" + page.Next).Items[0].Title)
}

// A publisher learns when a notification was first written to a device of the user: live, or when
// the user comes back.
func TestReceipts(t *testing.T) {
	s := start(t)
	s.live("ada")
	publish := func(body string) string {
		a := s.do("POST", "/notify", body, "Authorization", "Bearer "+backend(t))
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		return a.json(t)["id"].(string)
	}
	id := publish(`{"to":{"users":["ada","grace"]},"type":"t","title":"t","receipt":true}`)
	deliveredAt := func(user string) string { return s.trace(backend(t), id, "?user="+user).Users[0].DeliveredAt }
	require.Eventually(t, func() bool { return deliveredAt("ada") != "" }, timeout, 10*time.Millisecond)
	first := deliveredAt("ada")
	assert.Empty(t, deliveredAt("grace"), "grace has no device")
	s.connect("grace", "earliest").expect("t", "live")
	require.Eventually(t, func() bool { return deliveredAt("grace") != "" }, timeout, 10*time.Millisecond)
	s.connect("ada", "earliest").expect("t", "live")
	assert.Equal(t, first, deliveredAt("ada"))

	other := publish(`{"to":{"users":["ada"]},"type":"t","title":"t"}`)
	s.mark("ada", "read", byID(other))
	assert.Empty(t, s.trace(backend(t), other, "").Users[0].DeliveredAt, "no receipt was wanted")
	a := s.do("POST", "/notify", `{"to":{"users":["ada"]},"type":"t","receipt":true,"ephemeral":true}`, "Authorization", "Bearer "+backend(t))
	assert.Equal(t, http.StatusUnprocessableEntity, a.StatusCode)
}
