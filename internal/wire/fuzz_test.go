package wire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/wire"
)

// FuzzDraft checks that a body is refused as malformed or invalid, or has the values that
// another parser reads from it; that its notification fits one frame to clients; and that
// the fields can be read again from the stored content.
func FuzzDraft(f *testing.F) {
	for _, s := range []string{
		`{"to":{"users":["ada","grace"]},"type":"comment.created","title":"Grace commented","body":"ok","data":{"issue":42,"n":1.0e400},"ttl":86400,"priority":"high","ephemeral":false}`,
		`{"to":{"all":true},"type":"t","title":null,"ttl":6e1}`, `{"to":{"users":[],"all":false}}`, `{"to":{"topics":["x"]}}`,
		`{"to":{"topics":["news","project.7"]},"type":"t","collapse_key":"\u0000é","deliver_at":"2026-12-01T09:00:00Z"}`,
		`{"to":{"all":true},"type":"t","url":"/a\u00e9?b","silent":true,"actions":[{"title":"\u0000\"a","url":"https://example.com/"},{"title":"b","url":"/"}]}`,
		`{"to":{"all":true},"type":"t","actions":[{"title":null},{},{},{},{}]}`, `{"actions":[[]],"url":"//"}`,
		`{"to":{"topics":[]},"collapse_key":"","deliver_at":"2026-12-01t9:00:00z"}`,
		`{"type":"t","type":"u"}`, `{"type":"t","\u0074ype":"u"}`, `{"title":"\ud800"}`, `{"title":"\ud83d\ude00\u0000"}`,
		"\xef\xbb\xbf{}", "{\"type\":\"\xff\"}", `{}{}`, `[]`, `null`, ``, `{"ttl":1e999}`, `{"ttl":-0}`, `{"a/b~":{}}`,
		`{"to":{"all":true},"type":"t","data":` + strings.Repeat(`{"a":`, 33) + `1` + strings.Repeat(`}`, 34),
		`{"to":{"all":true},"type":"t","data":` + strings.Repeat(`{"a":`, strict.MaxDepth-1) + `1` + strings.Repeat(`}`, strict.MaxDepth),
		` { "to" : { "all" : true } , "type" : "t" , "data" : { } } `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := wire.Draft(body)
		if err != nil {
			requireRefusal(t, err)
			return
		}
		var other struct {
			Type, Title, Body string
			Data              json.RawMessage
			Ephemeral         bool
			To                struct {
				Users  []notify.UserID
				Topics []notify.Topic
				All    bool
			}
			URL         string
			Actions     []notify.Action
			Silent      bool
			CollapseKey string `json:"collapse_key"`
			DeliverAt   string `json:"deliver_at"`
		}
		require.NoError(t, json.Unmarshal(body, &other))
		require.Equal(t, []any{other.Type, other.Title, other.Body, other.Ephemeral, other.To.All, other.CollapseKey, other.URL, other.Silent},
			[]any{d.Type, d.Title, d.Body, d.Ephemeral, d.All, d.CollapseKey, d.URL, d.Silent})
		require.Equal(t, append([]notify.UserID{}, other.To.Users...), append([]notify.UserID{}, d.Users...))
		require.Equal(t, append([]notify.Topic{}, other.To.Topics...), append([]notify.Topic{}, d.Topics...))
		require.Equal(t, min(len(other.Actions), notify.MaxActions+1), len(d.Actions))
		require.Equal(t, other.Actions[:len(d.Actions)], append(other.Actions[:0:0], d.Actions...))
		if other.DeliverAt != "" {
			at, err := time.Parse(time.RFC3339, strings.ToUpper(other.DeliverAt))
			require.NoError(t, err)
			require.True(t, at.Equal(d.DeliverAt))
		}

		again, err := wire.Draft(d.Source)
		require.NoError(t, err)
		require.Equal(t, d, again)
		require.Equal(t, wire.Fingerprint(d.Source), wire.Fingerprint(again.Source))

		if len(d.Check(time.Now(), 30*24*time.Hour)) > 0 {
			return
		}
		n := notify.Notification{Time: time.Unix(0, 0), Audience: notify.AudienceUser, Content: wire.AppendContent(nil, "id", &d)}
		if len(d.Topics) > 0 {
			n.Audience, n.Topic = notify.AudienceTopic, d.Topics[0]
		}
		frame := []byte(`{"event":"notification","cursor":"` + strings.Repeat("c", 128) + `","data":` + string(wire.AppendNotification(nil, &n)) + `}`)
		require.LessOrEqual(t, len(frame), wire.MaxFrame)
		if strict.Depth(frame, strict.MaxDepth) == nil { // it is a level deeper than the body
			_, err = strict.JSON(frame, strict.MaxDepth)
			require.NoError(t, err)
		}
		var notification struct {
			Data struct {
				Type, Title, Body, Topic, URL string

				Actions     []notify.Action
				CollapseKey string `json:"collapse_key"`
			}
		}
		require.NoError(t, json.Unmarshal(frame, &notification), "%s", frame)
		require.Equal(t, []string{d.Type, d.Title, d.Body, d.CollapseKey, string(n.Topic), d.URL},
			[]string{notification.Data.Type, notification.Data.Title, notification.Data.Body, notification.Data.CollapseKey, notification.Data.Topic, notification.Data.URL})
		require.Equal(t, d.Actions, notification.Data.Actions)
	})
}

// requireRefusal checks that err is of kind ErrMalformed or ErrInvalid, and that its answer
// fits a frame and has few faults.
func requireRefusal(t *testing.T, err error) {
	t.Helper()
	p := problem.Of(err)
	require.Contains(t, []int{400, 422}, p.Status, "%v", err)
	require.Equal(t, p.Status == 422, len(p.Errors) > 0)
	require.LessOrEqual(t, len(p.Errors), 16)
	require.True(t, json.Valid(p.JSON()) && utf8.Valid(p.JSON()))
	require.LessOrEqual(t, len(p.JSON()), wire.MaxFrame/2)
}
