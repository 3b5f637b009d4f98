package httpapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
)

func TestTracingANotification(t *testing.T) {
	s := start(t)
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	s.inbox.trace = service.Trace{
		Trace: store.Trace{
			Notification: notify.Notification{
				By: "key:shop", Time: at, Audience: notify.AudienceUser, Users: []notify.UserID{"ada", "eve"},
				Content: []byte(`"id":"` + id + `","type":"t","priority":"low"`),
			},
			Fate: store.Fate{Status: notify.StatusKept},
			Users: []store.UserTrace{
				{User: "ada", Fate: store.Fate{Status: notify.StatusKept}, View: notify.View{Seen: at, Read: at, Archived: at}},
				{User: "eve", Fate: store.Fate{Status: notify.StatusEvicted, Reason: notify.ReasonFull, At: at}},
			},
		},
		Connected:  []service.Connected{{Known: true, ConnectionCount: notify.ConnectionCount{Number: 1, Since: at}}, {}},
		Incomplete: []string{"node-3"},
	}
	a := s.do("GET", "/notifications/"+id+"?user=", "", asAda...)
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	const then = `"2026-12-01T09:00:00.000Z"`
	require.JSONEq(t, `{"notification":{"id":"`+id+`","type":"t","priority":"low","time":`+then+`,"audience":"user"},
		"published_by":"key:shop","recipients":2,"state":"kept","incomplete":["node-3"],"users":[
		{"user":"ada","state":"kept","seen_at":`+then+`,"read_at":`+then+`,"archived_at":`+then+`,"connections":1,"connected_since":`+then+`},
		{"user":"eve","state":"evicted","reason":"history-full","removed_at":`+then+`}]}`, string(a.body))

	s.inbox.trace = service.Trace{Trace: store.Trace{
		Notification: notify.Notification{Time: at, Audience: notify.AudienceAll}, RemovedType: "t",
		Fate: store.Fate{Status: notify.StatusReplaced, At: at, ReplacedBy: id},
	}}
	a = s.do("GET", "/notifications/"+id+"?user=ada", "", "Authorization", "Bearer admin")
	require.JSONEq(t, `{"notification":{"id":"`+id+`","type":"t","time":`+then+`,"audience":"all"},"state":"replaced","removed_at":`+then+`,
		"replaced_by":"`+id+`","users":[]}`, string(a.body))
	s.inbox.trace = service.Trace{Trace: store.Trace{
		Notification: notify.Notification{Audience: notify.AudienceAll, Content: []byte(`"id":"` + id + `","type":"t","priority":"low"`)},
		DeliverAt:    at, Fate: store.Fate{Status: notify.StatusDeferred},
	}}
	a = s.do("GET", "/notifications/"+id, "", "Authorization", "Bearer bhk_key")
	require.JSONEq(t, `{"notification":{"id":"`+id+`","type":"t","priority":"low","time":`+then+`,"audience":"all"},"state":"deferred","deliver_at":`+then+`,"users":[]}`, string(a.body))
	require.Len(t, s.inbox.traced, 3)

	s.problem(s.do("GET", "/notifications/"+id+"?user=a%20b", "", asAda...), 400, "malformed")
	s.problem(s.do("GET", "/notifications/"+id+"?users=ada", "", asAda...), 400, "malformed")
	s.problem(s.do("GET", "/notifications/"+id, "", "Authorization", ""), 401, "unauthenticated")
	s.inbox.err = notify.Errorf(notify.ErrNotFound, "unknown")
	s.problem(s.do("GET", "/notifications/"+id, "", asAda...), 404, "not-found")
}

func TestOperatorsListTheInboxOfAUser(t *testing.T) {
	s := start(t)
	s.inbox.page.Cursor = "c"
	a := s.do("GET", "/users/grace/inbox?state=all&limit=7", "", "Authorization", "Bearer admin")
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	require.Equal(t, []notify.UserID{"grace"}, s.inbox.by)
	require.Equal(t, []service.Query{{Filter: notify.Filter{State: notify.StateAll}, Limit: 7}}, s.inbox.queries)
	s.problem(s.do("GET", "/users/grace/inbox", "", asAda...), 403, "scope")
	s.problem(s.do("GET", "/users/a%20b/inbox", "", "Authorization", "Bearer admin"), 404, "not-found")
	s.problem(s.do("GET", "/users/grace/inbox?state=none", "", "Authorization", "Bearer admin"), 400, "malformed")
}

func TestOperatorsListTheRemovedNotificationsOfAUser(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer admin"}
	a := s.do("GET", "/users/grace/removed", "", admin...)
	require.JSONEq(t, `{"items":[]}`, string(a.body))
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	s.inbox.removed = service.RemovedPage{
		Removed: []store.Removed{
			{
				ID: id, Notification: notify.Notification{Time: at, Audience: notify.AudienceTopic, View: notify.View{Topic: "x", Seen: at, Read: at}}, RemovedType: "t",
				Fate: store.Fate{Status: notify.StatusReplaced, At: at, ReplacedBy: id},
			},
			{
				ID: id, Notification: notify.Notification{Time: at, Audience: notify.AudienceUser, Content: []byte(`"id":"` + id + `","type":"t","priority":"low"`)},
				Fate: store.Fate{Status: notify.StatusEvicted, Reason: notify.ReasonFull, At: at},
			},
		},
		Next: "n", SearchedTo: at,
	}
	a = s.do("GET", "/users/grace/removed?limit=7&before=b", "", admin...)
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	const then = `"2026-12-01T09:00:00.000Z"`
	require.JSONEq(t, `{"items":[
		{"notification":{"id":"`+id+`","type":"t","time":`+then+`,"audience":"topic","topic":"x"},"state":"replaced","removed_at":`+then+`,"replaced_by":"`+id+`",
			"seen_at":`+then+`,"read_at":`+then+`},
		{"notification":{"id":"`+id+`","type":"t","priority":"low","time":`+then+`,"audience":"user"},"state":"evicted","reason":"history-full",
			"removed_at":`+then+`}],"next":"n","searched_to":`+then+`}`, string(a.body))
	require.Equal(t, []service.Query{{Limit: 50}, {Limit: 7, Before: "b"}}, s.inbox.queries)
	s.problem(s.do("GET", "/users/grace/removed", "", asAda...), 403, "scope")
	s.problem(s.do("GET", "/users/grace/removed?state=all", "", admin...), 400, "malformed")
	s.problem(s.do("GET", "/users/grace/removed?limit=0", "", admin...), 400, "malformed")
}
