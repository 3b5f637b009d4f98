package httpapi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

func TestExportsAreLinesOfJSON(t *testing.T) {
	s := start(t)
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	s.erasures.pages = map[string]store.ExportPage{
		"": {Rest: "r", Kept: []store.Kept{
			{Kind: store.KeptNotification, Notification: notify.Notification{
				Time: at, Audience: notify.AudienceUser, Content: []byte(`"id":"` + id + `","type":"t","priority":"low"`), View: notify.View{Seen: at},
			}},
			{Kind: store.KeptChange, At: at, Change: notify.InboxChange{Seen: []string{id}}},
		}},
		"r": {Kept: []store.Kept{
			{Kind: store.KeptTopic, Topic: "team", From: 7},
			{Kind: store.KeptRemoved, ID: id, RemovedType: "t", Fate: store.Fate{Status: notify.StatusRecalled, At: at}, Notification: notify.Notification{Time: at, View: notify.View{Read: at}}},
		}},
	}
	a := s.do("GET", "/users/ada/export", "", "Authorization", "Bearer admin")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "application/x-ndjson", a.Header.Get("Content-Type"))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	const then = `"2026-12-01T09:00:00.000Z"`
	require.Regexp(t, `^{"kind":"user","user":"ada","time":"[^"]+"}
{"kind":"notification","notification":{"id":"`+id+`","type":"t","priority":"low","time":`+then+`,"audience":"user","seen_at":`+then+`}}
{"kind":"change","time":`+then+`,"seen":\["`+id+`"\]}
{"kind":"topic","topic":"team","from":7}
{"kind":"removed_notification","id":"`+id+`","type":"t","state":"recalled","removed_at":`+then+`,"time":`+then+`,"read_at":`+then+`}
{"kind":"end","lines":5}
$`, string(a.body))
	require.Contains(t, s.logs.String(), "action=export outcome=done")

	delete(s.erasures.pages, "r")
	s.erasures.fails = errors.New("a fault")
	a = s.do("GET", "/users/ada/export", "", "Authorization", "Bearer admin")
	require.NotContains(t, string(a.body), `"end"`, "it is not complete")
	require.NotContains(t, string(a.body), "a fault")
	s.problem(s.do("GET", "/users/ada/export", "", asAda...), 403, "scope")
	s.problem(s.do("GET", "/users/a%20b/export", "", "Authorization", "Bearer admin"), 404, "not-found")
}

func TestErasingAUser(t *testing.T) {
	s := start(t)
	require.Equal(t, 204, s.do("DELETE", "/users/a%2Fb", "", "Authorization", "Bearer admin").StatusCode)
	require.Equal(t, []notify.UserID{"a/b"}, s.erasures.erased)
	require.Contains(t, s.logs.String(), "action=erase outcome=done")
	s.problem(s.do("DELETE", "/users/ada", "", asAda...), 403, "scope")
	s.problem(s.do("DELETE", "/users/ada", ""), 401, "unauthenticated")
	require.Len(t, s.erasures.erased, 1)
	s.erasures.fails = notify.Errorf(notify.ErrOutcomeUnknown, "late")
	s.problem(s.do("DELETE", "/users/ada", "", "Authorization", "Bearer admin"), 503, "outcome-unknown")
}
