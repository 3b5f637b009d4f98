package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

const (
	one = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"
	two = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c11"
)

// idList is the body that names n ids.
func idList(n int) string {
	return `{"ids":[` + strings.TrimSuffix(strings.Repeat(`"`+one+`",`, n), ",") + `]}`
}

func TestMarks(t *testing.T) {
	for body, want := range map[string]wire.Selection{
		`{"ids":["` + one + `","` + two + `"]}`:  {IDs: []string{one, two}},
		`{"ids":["` + one + `"],"through":null}`: {IDs: []string{one}},
		`{"through":"AAAA"}`:                     {Through: "AAAA"},
		`{"through":"earliest"}`:                 {Through: "earliest"}, // which is for the inbox to refuse
		` { "all" : true , "ids" : null } `:      {All: true},
		`{"ids":["","x","` + strings.ToUpper(one) +
			`","` + one + `0","` + two + `"]}`: {IDs: []string{two}},
		`{"ids":["` + strings.Repeat("é", 1000) + `"]}`: {IDs: []string{}},
	} {
		got, err := wire.Marks([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, got, body)
	}
	got, err := wire.Marks([]byte(idList(100)))
	require.NoError(t, err)
	require.Len(t, got.IDs, 100)
}

func TestMarksRefused(t *testing.T) {
	for body, pointer := range map[string]string{
		`{}`:                         "",
		`{"ids":null}`:               "",
		`{"all":true,"through":"x"}`: "",
		`{"ids":["x"],"all":true}`:   "",
		`[]`:                         "",
		`{"ids":[]}`:                 "/ids",
		idList(101):                  "/ids",
		`{"ids":"x"}`:                "/ids",
		`{"ids":["x",7]}`:            "/ids/1",
		`{"ids":["x",null]}`:         "/ids/1",
		`{"through":7}`:              "/through",
		`{"through":""}`:             "/through",
		`{"through":"` + strings.Repeat("A", 129) + `"}`: "/through",
		`{"all":false}`:               "/all",
		`{"all":"true"}`:              "/all",
		`{"all":true,"user":"grace"}`: "/user",
	} {
		got, err := wire.Marks([]byte(body))
		var e *notify.Error
		require.ErrorAs(t, err, &e, body)
		require.ErrorIs(t, err, notify.ErrInvalid, body)
		require.Equal(t, pointer, e.Faults[0].Pointer, body)
		require.Zero(t, got)
	}
	for _, body := range []string{"", "{", `{"all":true}{}`, `{"all":true,"all":true}`, "\xef\xbb\xbf{}", `{"through":"` + "\xff" + `"}`} {
		_, err := wire.Marks([]byte(body))
		require.ErrorIs(t, err, notify.ErrMalformed, body)
	}
}

func TestInboxPage(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	item := func(id, cursor string) wire.InboxItem {
		return wire.InboxItem{
			Notification: notify.Notification{Time: at, Audience: notify.AudienceUser, Content: []byte(`"id":"` + id + `","type":"t","data":{}`)},
			Cursor:       cursor,
		}
	}
	shown := func(id, cursor string) string {
		return `{"id":"` + id + `","type":"t","data":{},"time":"2026-12-01T09:00:00.000Z","audience":"user","cursor":"` + cursor + `"}`
	}
	for want, p := range map[string]wire.InboxPage{
		`{"items":[],"unread_count":0,"unseen_count":0,"cursor":"c"}`: {Cursor: "c"},
		`{"items":[` + shown(two, "c2") + `,` + shown(one, "c1") + `],"unread_count":7,"unseen_count":5,"cursor":"c3","next":"c1"}`: {
			Items: []wire.InboxItem{item(two, "c2"), item(one, "c1")}, Counts: notify.Counts{Unread: 7, Unseen: 5}, Cursor: "c3", Next: "c1",
		},
	} {
		require.Equal(t, want, string(wire.AppendInboxPage(nil, &p)))
	}
	require.Equal(t, `x{"unread_count":3,"unseen_count":1}`, string(wire.AppendMarked([]byte("x"), notify.Counts{Unread: 3, Unseen: 1})))
}

func TestGroupedCounts(t *testing.T) {
	c := notify.GroupedCounts{
		Counts: notify.Counts{Unread: 4, Unseen: 1},
		By:     map[string]notify.Counts{`a"b`: {Unread: 1}, "comment.created": {Unread: 3, Unseen: 1}, "é": {}},
	}
	require.Equal(t, `{"unread_count":4,"unseen_count":1}`, string(wire.AppendGroupedCounts(nil, c, notify.ByNothing)))
	require.Equal(t, `{"unread_count":4,"unseen_count":1,"by":{"a\"b":{"unread":1,"unseen":0},`+
		`"comment.created":{"unread":3,"unseen":1},"é":{"unread":0,"unseen":0}}}`, string(wire.AppendGroupedCounts(nil, c, notify.ByTopic)))
	c.By = nil
	require.Equal(t, `{"unread_count":4,"unseen_count":1,"by":{}}`, string(wire.AppendGroupedCounts(nil, c, notify.ByType)))
}

// FuzzMarks holds that a body is refused as malformed or invalid, or selects
// what another reader takes it to select, by one member, within bounds.
func FuzzMarks(f *testing.F) {
	for _, s := range []string{
		`{"ids":["` + one + `"]}`, `{"ids":["` + one + `","x",""]}`, `{"ids":["\u0030193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"]}`, `{"ids":[]}`, `{"ids":[null]}`,
		idList(100), idList(101), `{"through":"CgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, `{"through":"earliest"}`, `{"through":""}`, `{"all":true}`, `{"all":false}`,
		`{"all":true,"ids":null}`, `{"all":true,"ids":["x"]}`, `{"all":true,"all":true}`, `{"ID":1}`, `{}`, `[]`, `null`, ``, "\xef\xbb\xbf{}", `{"ids":[[[[]]]]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := wire.Marks(body)
		if err != nil {
			requireRefusal(t, err)
			require.Zero(t, s)
			return
		}
		var other struct {
			IDs     *[]string `json:"ids"`
			Through *string   `json:"through"`
			All     *bool     `json:"all"`
		}
		require.NoError(t, json.Unmarshal(body, &other))
		given := fmt.Sprint(other.IDs != nil, other.Through != nil, other.All != nil)
		require.Equal(t, fmt.Sprint(s.IDs != nil, s.Through != "", s.All), given)
		require.Equal(t, 1, strings.Count(given, "true"))
		if s.Through != "" {
			require.Equal(t, *other.Through, s.Through)
			require.LessOrEqual(t, len(s.Through), 128)
		}
		if s.IDs == nil {
			return
		}
		require.True(t, 1 <= len(*other.IDs) && len(*other.IDs) <= 100)
		kept := []string{}
		for _, id := range *other.IDs {
			if wire.IsID(id) {
				require.Len(t, id, 36)
				kept = append(kept, id)
			}
		}
		require.Equal(t, kept, s.IDs)
	})
}

func TestMarksReportsFewFaults(t *testing.T) {
	body := `{"ids":[` + strings.TrimSuffix(strings.Repeat(`7,`, 5000), ",") + `]}`
	_, err := wire.Marks([]byte(body))
	var e *notify.Error
	require.True(t, errors.As(err, &e))
	require.LessOrEqual(t, len(e.Faults), 16)
}
