package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// inboxPage is an answer to GET /inbox.
type inboxPage struct {
	Items []struct {
		ID, Title, Cursor, Audience string
		ReadAt                      string `json:"read_at"`
		ArchivedAt                  string `json:"archived_at"`
	}
	Unread       int `json:"unread_count"`
	Cursor, Next string
}

func (p inboxPage) titles() []string {
	all := []string{}
	for _, i := range p.Items {
		all = append(all, i.Title)
	}
	return all
}

// inbox lists the inbox of a user.
func (s *service) inbox(user, query string) (p inboxPage) {
	s.t.Helper()
	a := s.do("GET", "/inbox"+query, "", "Authorization", "Bearer "+token(s.t, user))
	require.Equal(s.t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.NoError(s.t, json.Unmarshal(a.body, &p))
	return p
}

// mark does to notifications of a user what a verb says, and returns how many
// are unread then.
func (s *service) mark(user, verb, body string) int {
	s.t.Helper()
	a := s.do("POST", "/inbox/"+verb, body, "Authorization", "Bearer "+token(s.t, user))
	require.Equal(s.t, http.StatusOK, a.StatusCode, "%s", a.body)
	count, _ := a.json(s.t)["unread_count"].(float64)
	return int(count)
}

func byID(ids ...string) string {
	b, _ := json.Marshal(map[string][]string{"ids": ids})
	return string(b)
}

// changes reads on until n inbox events have come, and returns those, without
// their names.
func (c *connection) changes(n int) (all []frame) {
	c.s.t.Helper()
	for len(all) < n {
		if f := c.read(); f.Event == "inbox" {
			all = append(all, f)
		}
	}
	return all
}

func TestUnreadOnOneDeviceIsUnreadOnAll(t *testing.T) {
	s := start(t)
	phone, laptop, grace := s.live("ada"), s.live("ada"), s.live("grace")
	stream := s.listen("", token(t, "ada"))
	one, two, three := s.publish("one", "ada", "grace"), s.publish("two", "ada"), s.publish("three")

	// Each is heard before the next is done: a count is of when it is told.
	var onPhone, onLaptop []frame
	heard := func() {
		onPhone, onLaptop = append(onPhone, phone.changes(1)...), append(onLaptop, laptop.changes(1)...)
	}
	assert.Equal(t, 2, s.mark("ada", "read", byID(one)))
	heard()
	assert.Equal(t, 1, s.mark("ada", "archive", byID(two)))
	heard()
	phone.send(`{"event":"unread","ref":"7","data":{"ids":["` + one + `"]}}`)
	heard()
	assert.Equal(t, onPhone, onLaptop, "in one order, with the same cursors")
	for i, want := range []map[string]any{
		{"read": []any{one}, "unread_count": 2.0},
		{"archived": []any{two}, "unread_count": 1.0},
		{"unread": []any{one}, "unread_count": 2.0},
	} {
		for member, value := range want {
			assert.Equal(t, value, onPhone[i].Data[member], member)
		}
	}
	seen := map[string]bool{}
	for len(seen) < 3 {
		if e := stream.next(); e.event == "inbox" {
			seen[e.id] = true
		}
	}
	for _, f := range onPhone {
		assert.True(t, seen[f.Cursor], "an event stream hears it too")
	}
	assert.Equal(t, 2, s.inbox("grace", "").Unread)
	s.mark("grace", "read", byID(three))
	assert.Equal(t, []any{three}, grace.changes(1)[0].Data["read"], "what is ada's is not grace's")
}

func TestAnInboxHasPagesAndStates(t *testing.T) {
	s := start(t)
	for _, title := range []string{"one", "two", "three"} {
		s.publish(title, "ada")
	}
	four := s.publish("four")
	s.publish("not for ada", "grace")
	first := s.inbox("ada", "?limit=3")
	assert.Equal(t, []string{"four", "three", "two"}, first.titles())
	assert.Equal(t, "all", first.Items[0].Audience)
	assert.Equal(t, 4, first.Unread)
	s.publish("five", "ada") // between two pages
	second := s.inbox("ada", "?limit=3&before="+first.Next)
	assert.Equal(t, []string{"one"}, second.titles())
	assert.Empty(t, second.Next)
	assert.Equal(t, 5, second.Unread)

	s.mark("ada", "read", byID(four, first.Items[2].ID))
	s.mark("ada", "archive", byID(first.Items[1].ID))
	for state, want := range map[string][]string{
		"":                                {"five", "four", "two", "one"},
		"?state=unread":                   {"five", "one"},
		"?state=read":                     {"four", "two"},
		"?state=archived":                 {"three"},
		"?state=all":                      {"five", "four", "three", "two", "one"},
		"?state=all&before=" + first.Next: {"one"},
		"?state=unread&limit=1":           {"five"},
	} {
		p := s.inbox("ada", state)
		assert.Equal(t, want, p.titles(), state)
		assert.Equal(t, 2, p.Unread, "of the whole inbox, without what is archived")
	}
	all := s.inbox("ada", "?state=all").Items
	assert.NotEmpty(t, all[1].ReadAt)
	assert.NotEmpty(t, all[2].ArchivedAt)
	assert.Empty(t, all[0].ReadAt)

	another := s.inbox("grace", "").Cursor
	for _, query := range []string{"?state=new", "?limit=0", "?limit=101", "?before=" + another, "?before=earliest", "?limit=1&limit=2"} {
		a := s.do("GET", "/inbox"+query, "", "Authorization", "Bearer "+token(t, "ada"))
		assert.Equal(t, http.StatusBadRequest, a.StatusCode, query)
		assert.Equal(t, "malformed", a.problem(t))
	}
	assert.Equal(t, "unauthenticated", s.do("GET", "/inbox", "").problem(t))
}

func TestConnectingWithTheCursorOfAListMissesNothing(t *testing.T) {
	s := start(t)
	one := s.publish("one", "ada")
	page := s.inbox("ada", "")
	s.publish("two", "ada")
	s.mark("ada", "read", byID(one))
	s.publish("three")

	ada := s.connect("ada", page.Cursor)
	assert.Equal(t, "two", ada.read().text("title"))
	f := ada.read()
	assert.Equal(t, "inbox", f.Event)
	assert.Equal(t, []any{one}, f.Data["read"])
	assert.Equal(t, "three", ada.read().text("title"))
	f = ada.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 2, f.Data["unread_count"])

	// Each item has the cursor after it.
	s.connect("ada", s.inbox("ada", "").Items[0].Cursor).expect("live")
}

func TestMarksByIDsThroughAndAll(t *testing.T) {
	s := start(t)
	s.publish("one", "ada")
	s.publish("two")
	ada := s.live("ada")
	three := s.publish("three", "ada")
	ada.expect("three")
	seen := ada.cursor // what a page that goes offline now has seen
	ada.drop()
	s.publish("four", "ada")

	assert.Equal(t, 4, s.inbox("ada", "").Unread)
	assert.Equal(t, 1, s.mark("ada", "read", `{"through":"`+seen+`"}`))
	assert.Equal(t, []string{"four"}, s.inbox("ada", "?state=unread").titles())
	assert.Equal(t, 2, s.mark("ada", "unread", byID(three, "unknown", "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10")))
	assert.Equal(t, 0, s.mark("ada", "read", `{"all":true}`))
	s.publish("five")
	assert.Equal(t, 1, s.inbox("ada", "").Unread, "all is what there was")
	assert.Equal(t, 0, s.mark("ada", "archive", `{"all":true}`))
	assert.Empty(t, s.inbox("ada", "").Items)
	assert.Len(t, s.inbox("ada", "?state=archived").Items, 5)
	assert.Equal(t, 1, s.mark("ada", "unread", byID(three)), "it comes back")
	assert.Equal(t, []string{"three"}, s.inbox("ada", "").titles())

	for _, body := range []string{`{"through":"` + s.live("grace").cursor + `"}`, `{"through":"earliest"}`, `{}`, `{"ids":[]}`, `{"all":true,"through":"` + seen + `"}`} {
		a := s.do("POST", "/inbox/read", body, "Authorization", "Bearer "+token(t, "ada"))
		assert.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, body)
	}
	assert.Equal(t, 1, s.inbox("ada", "").Unread)
}

func TestABroadcastIsReadByEachForThemselves(t *testing.T) {
	s := start(t)
	all := s.publish("to all")
	assert.Equal(t, 0, s.mark("ada", "read", byID(all)))
	assert.Equal(t, 1, s.inbox("grace", "").Unread)
	assert.Equal(t, 0, s.mark("grace", "archive", `{"all":true}`))
	assert.Equal(t, []string{"to all"}, s.inbox("ada", "?state=read").titles())
	assert.Empty(t, s.inbox("grace", "").Items)
	assert.Equal(t, 1, s.inbox("linus", "").Unread, "whom nobody had heard of")
}

func TestWhatIsReadStaysSoOverARestart(t *testing.T) {
	s := start(t)
	one, all := s.publish("one", "ada"), s.publish("to all")
	s.publish("two", "ada")
	s.mark("ada", "read", byID(one))
	s.mark("ada", "archive", byID(all))
	before := s.inbox("ada", "?state=all")
	s.restart()
	after := s.inbox("ada", "?state=all")
	assert.Equal(t, before.Items, after.Items, "with times and cursors")
	assert.Equal(t, 1, after.Unread)
	ada := s.connect("ada", before.Cursor)
	f := ada.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 1, f.Data["unread_count"])
}

func TestChangesOfTheInboxAreToldToWhoWasAway(t *testing.T) {
	s := start(t)
	ada, watching := s.live("ada"), s.live("ada")
	one := s.publish("one", "ada")
	ada.expect("one")
	ada.drop()
	s.mark("ada", "read", byID(one))
	s.mark("ada", "archive", byID(one))
	two := s.publish("two", "ada")
	s.mark("ada", "unread", byID(one))
	live := watching.changes(3)

	back := s.connect("ada", ada.cursor)
	for i, member := range []string{"read", "archived", "", "unread"} {
		f := back.read()
		if member == "" {
			assert.Equal(t, two, f.text("id"))
			continue
		}
		assert.Equal(t, "inbox", f.Event)
		assert.Equal(t, []any{one}, f.Data[member])
		assert.Equal(t, live[min(i, 2)].Cursor, f.Cursor, "where those heard it who were there")
	}
	f := back.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 2, f.Data["unread_count"])
}

func TestWhatIsRecalledIsGone(t *testing.T) {
	s := start(t)
	ada, away, grace := s.live("ada"), s.live("ada"), s.live("grace")
	one := s.publish("one", "ada")
	all := s.publish("to all")
	ada.expect("one", "to all")
	away.expect("one", "to all")
	away.drop()
	recall := func(id string) answer {
		return s.do("DELETE", "/notifications/"+id, "", "Authorization", "Bearer "+admin(t))
	}
	require.Equal(t, http.StatusNoContent, recall(one).StatusCode)
	require.Equal(t, http.StatusNoContent, recall(all).StatusCode)
	for _, id := range []string{one, all} {
		assert.Equal(t, []any{id}, ada.changes(1)[0].Data["recalled"])
		assert.Equal(t, "not-found", recall(id).problem(t), "there is nothing left to recall")
	}
	assert.Equal(t, []any{all}, grace.changes(1)[0].Data["recalled"])
	back := s.connect("ada", away.cursor)
	assert.Equal(t, []any{one}, back.read().Data["recalled"])
	assert.Equal(t, []any{all}, back.read().Data["recalled"])
	f := back.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 0, f.Data["unread_count"])
	for _, titles := range [][]string{s.inbox("ada", "?state=all").titles(), s.inbox("grace", "?state=all").titles()} {
		assert.Empty(t, titles)
	}
	assert.NotContains(t, titlesUpToLive(s.connect("ada", "earliest")), "one")

	for _, id := range []string{"0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10", "nonsense", "a%2Fb"} {
		assert.Equal(t, "not-found", recall(id).problem(t))
	}
	a := s.do("DELETE", "/notifications/"+one, "", "Authorization", "Bearer "+backend(t))
	assert.Equal(t, "scope", a.problem(t))
}

// titlesUpToLive reads what is told until the past is over.
func titlesUpToLive(c *connection) (all []string) {
	for f := c.read(); f.Event != "live"; f = c.read() {
		all = append(all, f.text("title"))
	}
	return all
}

func TestACommandOfASocketIsAnsweredAsThePost(t *testing.T) {
	s := start(t)
	one := s.publish("one", "ada")
	s.publish("two", "ada")
	cursor := s.inbox("ada", "").Items[0].Cursor
	ada := s.live("ada")
	answered := func(command string) frame {
		ada.send(command)
		for {
			if f := ada.read(); f.Event == "reply" || f.Event == "error" {
				return f
			}
		}
	}
	for _, c := range []struct{ verb, which string }{
		{"read", byID(one)},
		{"read", `{"through":"` + cursor + `"}`},
		{"unread", byID(one, "unknown")},
		{"archive", `{"all":true}`},
		{"unread", `{"all":true}`},
	} {
		f := answered(`{"event":"` + c.verb + `","ref":"7","data":` + c.which + `}`)
		assert.Equal(t, "reply", f.Event)
		assert.Equal(t, "7", f.Ref)
		assert.EqualValues(t, s.mark("ada", c.verb, c.which), f.Data["unread_count"], "%v, and again", c)
	}
	for _, which := range []string{`{}`, `{"ids":[]}`, `{"through":"earliest"}`, `{"all":false}`} {
		f := answered(`{"event":"read","data":` + which + `}`)
		a := s.do("POST", "/inbox/read", which, "Authorization", "Bearer "+token(t, "ada"))
		assert.EqualValues(t, a.StatusCode, f.Data["status"], which)
		assert.Equal(t, a.json(t)["type"], f.text("type"))
	}
}

// Who cannot publish cannot mark either, but can take back and look.
func TestTheInboxOnADiskThatIsNearlyFull(t *testing.T) {
	s := start(t)
	one := s.publish("one", "ada")
	s.cfg.MinFree = 1 << 60 // more than any disk has
	s.restart()
	a := s.do("POST", "/inbox/read", `{"all":true}`, "Authorization", "Bearer "+token(t, "ada"))
	assert.Equal(t, "unavailable", a.problem(t))
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
	assert.Equal(t, 1, s.inbox("ada", "").Unread)
	a = s.do("DELETE", "/notifications/"+one, "", "Authorization", "Bearer "+admin(t))
	assert.Equal(t, http.StatusNoContent, a.StatusCode)
	assert.Empty(t, s.inbox("ada", "").Items)
}

func TestAnInboxIsAUsers(t *testing.T) {
	key, entry, err := auth.NewAPIKey("shop", []notify.Scope{notify.ScopePublish, notify.ScopeAdmin})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "keys.yaml")
	require.NoError(t, os.WriteFile(file, []byte(entry), 0o600))
	s := start(t, func(c *config.Config) { c.APIKeysFile = file })
	asKey := []string{"Authorization", "Bearer " + key}
	assert.Equal(t, "scope", s.do("GET", "/inbox", "", asKey...).problem(t))
	assert.Equal(t, "scope", s.do("POST", "/inbox/read", `{"all":true}`, asKey...).problem(t))
	id := s.publish("one", "ada")
	assert.Equal(t, http.StatusNoContent, s.do("DELETE", "/notifications/"+id, "", asKey...).StatusCode)
}
