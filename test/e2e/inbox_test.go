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

// inboxPage is a response to GET /inbox.
type inboxPage struct {
	Items []struct {
		ID, Title, Cursor, Audience string
		SeenAt                      string `json:"seen_at"`
		ReadAt                      string `json:"read_at"`
		ArchivedAt                  string `json:"archived_at"`
	}
	Unread       int `json:"unread_count"`
	Unseen       int `json:"unseen_count"`
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

// mark sends POST /inbox/<verb> as a user and returns the count of unread
// notifications in the response.
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

// changes reads until n inbox events have arrived and returns them.
func (c *connection) changes(n int) (all []frame) {
	c.s.t.Helper()
	for len(all) < n {
		if f := c.read(); f.Event == "inbox" {
			all = append(all, f)
		}
	}
	return all
}

func TestReadStateIsSharedByAllDevices(t *testing.T) {
	s := start(t)
	phone, laptop, grace := s.live("ada"), s.live("ada"), s.live("grace")
	stream := s.listen("", token(t, "ada"))
	one, two, three := s.publish("one", "ada", "grace"), s.publish("two", "ada"), s.publish("three")

	// Each event is read before the next command is sent, because a count is taken
	// when its event is delivered.
	var onPhone, onLaptop []frame
	readChange := func() {
		onPhone, onLaptop = append(onPhone, phone.changes(1)...), append(onLaptop, laptop.changes(1)...)
	}
	assert.Equal(t, 2, s.mark("ada", "read", byID(one)))
	readChange()
	assert.Equal(t, 1, s.mark("ada", "archive", byID(two)))
	readChange()
	phone.send(`{"event":"unread","ref":"7","data":{"ids":["` + one + `"]}}`)
	readChange()
	assert.Equal(t, onPhone, onLaptop, "both devices see the same order and cursors")
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
		assert.True(t, seen[f.Cursor], "event streams receive it too")
	}
	assert.Equal(t, 2, s.inbox("grace", "").Unread)
	s.mark("grace", "read", byID(three))
	assert.Equal(t, []any{three}, grace.changes(1)[0].Data["read"], "grace receives no changes of ada's inbox")
}

func TestInboxPagesAndStates(t *testing.T) {
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
		assert.Equal(t, 2, p.Unread, "the count covers the whole inbox except archived notifications")
	}
	all := s.inbox("ada", "?state=all").Items
	assert.NotEmpty(t, all[1].ReadAt)
	assert.NotEmpty(t, all[2].ArchivedAt)
	assert.Empty(t, all[0].ReadAt)

	ofGrace := s.inbox("grace", "").Cursor
	for _, query := range []string{"?state=new", "?limit=0", "?limit=101", "?before=" + ofGrace, "?before=earliest", "?limit=1&limit=2"} {
		a := s.do("GET", "/inbox"+query, "", "Authorization", "Bearer "+token(t, "ada"))
		assert.Equal(t, http.StatusBadRequest, a.StatusCode, query)
		assert.Equal(t, "malformed", a.problem(t))
	}
	assert.Equal(t, "unauthenticated", s.do("GET", "/inbox", "").problem(t))
}

func TestConnectingWithTheCursorOfAPageMissesNothing(t *testing.T) {
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

	// The cursor of an item resumes after that item.
	s.connect("ada", s.inbox("ada", "").Items[0].Cursor).expect("live")
}

func TestMarkByIDsThroughCursorAndAll(t *testing.T) {
	s := start(t)
	s.publish("one", "ada")
	s.publish("two")
	ada := s.live("ada")
	three := s.publish("three", "ada")
	ada.expect("three")
	seen := ada.cursor // the cursor of a page that goes offline now
	ada.drop()
	s.publish("four", "ada")

	assert.Equal(t, 4, s.inbox("ada", "").Unread)
	assert.Equal(t, 1, s.mark("ada", "read", `{"through":"`+seen+`"}`))
	assert.Equal(t, []string{"four"}, s.inbox("ada", "?state=unread").titles())
	assert.Equal(t, 2, s.mark("ada", "unread", byID(three, "unknown", "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10")))
	assert.Equal(t, 0, s.mark("ada", "read", `{"all":true}`))
	s.publish("five")
	assert.Equal(t, 1, s.inbox("ada", "").Unread, "all covers the notifications up to the command")
	assert.Equal(t, 0, s.mark("ada", "archive", `{"all":true}`))
	assert.Empty(t, s.inbox("ada", "").Items)
	assert.Len(t, s.inbox("ada", "?state=archived").Items, 5)
	assert.Equal(t, 1, s.mark("ada", "unread", byID(three)), "unread moves an archived notification back into the inbox")
	assert.Equal(t, []string{"three"}, s.inbox("ada", "").titles())

	for _, body := range []string{`{"through":"` + s.live("grace").cursor + `"}`, `{"through":"earliest"}`, `{}`, `{"ids":[]}`, `{"all":true,"through":"` + seen + `"}`} {
		a := s.do("POST", "/inbox/read", body, "Authorization", "Bearer "+token(t, "ada"))
		assert.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, body)
	}
	assert.Equal(t, 1, s.inbox("ada", "").Unread)
}

func TestReadStateOfABroadcastIsPerUser(t *testing.T) {
	s := start(t)
	all := s.publish("to all")
	assert.Equal(t, 0, s.mark("ada", "read", byID(all)))
	assert.Equal(t, 1, s.inbox("grace", "").Unread)
	assert.Equal(t, 0, s.mark("grace", "archive", `{"all":true}`))
	assert.Equal(t, []string{"to all"}, s.inbox("ada", "?state=read").titles())
	assert.Empty(t, s.inbox("grace", "").Items)
	assert.Equal(t, 1, s.inbox("linus", "").Unread, "a user who never connected has it unread")
}

func TestReadStateSurvivesARestart(t *testing.T) {
	s := start(t)
	one, all := s.publish("one", "ada"), s.publish("to all")
	s.publish("two", "ada")
	s.mark("ada", "read", byID(one))
	s.mark("ada", "archive", byID(all))
	before := s.inbox("ada", "?state=all")
	s.restart()
	after := s.inbox("ada", "?state=all")
	assert.Equal(t, before.Items, after.Items, "times and cursors are the same")
	assert.Equal(t, 1, after.Unread)
	ada := s.connect("ada", before.Cursor)
	f := ada.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 1, f.Data["unread_count"])
}

func TestResumeDeliversChangesOfTheInbox(t *testing.T) {
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
		assert.Equal(t, live[min(i, 2)].Cursor, f.Cursor, "the same position as on live connections")
	}
	f := back.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 2, f.Data["unread_count"])
}

func TestRecall(t *testing.T) {
	s := start(t)
	ada, away, grace := s.live("ada"), s.live("ada"), s.live("grace")
	one := s.publish("one", "ada")
	all := s.publish("to all")
	ada.expect("one", "to all")
	away.expect("one", "to all")
	away.drop()
	recall := func(id string) response {
		return s.do("DELETE", "/notifications/"+id, "", "Authorization", "Bearer "+admin(t))
	}
	require.Equal(t, http.StatusNoContent, recall(one).StatusCode)
	require.Equal(t, http.StatusNoContent, recall(all).StatusCode)
	for _, id := range []string{one, all} {
		assert.Equal(t, []any{id}, ada.changes(1)[0].Data["recalled"])
		assert.Equal(t, "not-found", recall(id).problem(t), "a second recall finds no notification")
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

// titlesUpToLive reads until the live event and returns the titles before it.
func titlesUpToLive(c *connection) (all []string) {
	for f := c.read(); f.Event != "live"; f = c.read() {
		all = append(all, f.text("title"))
	}
	return all
}

func TestSocketCommandsAnswerLikeHTTP(t *testing.T) {
	s := start(t)
	one := s.publish("one", "ada")
	s.publish("two", "ada")
	cursor := s.inbox("ada", "").Items[0].Cursor
	ada := s.live("ada")
	execute := func(command string) frame {
		ada.send(command)
		for {
			if f := ada.read(); f.Event == "reply" || f.Event == "error" {
				return f
			}
		}
	}
	for _, c := range []struct{ verb, body string }{
		{"read", byID(one)},
		{"read", `{"through":"` + cursor + `"}`},
		{"unread", byID(one, "unknown")},
		{"archive", `{"all":true}`},
		{"unread", `{"all":true}`},
	} {
		f := execute(`{"event":"` + c.verb + `","ref":"7","data":` + c.body + `}`)
		assert.Equal(t, "reply", f.Event)
		assert.Equal(t, "7", f.Ref)
		assert.EqualValues(t, s.mark("ada", c.verb, c.body), f.Data["unread_count"], "%v: repeating a command over HTTP gives the same count", c)
	}
	for _, body := range []string{`{}`, `{"ids":[]}`, `{"through":"earliest"}`, `{"all":false}`} {
		f := execute(`{"event":"read","data":` + body + `}`)
		a := s.do("POST", "/inbox/read", body, "Authorization", "Bearer "+token(t, "ada"))
		assert.EqualValues(t, a.StatusCode, f.Data["status"], body)
		assert.Equal(t, a.json(t)["type"], f.text("type"))
	}
}

// A nearly full disk refuses read marks as it refuses publishing. Recalls and lists
// still work.
func TestInboxOnANearlyFullDisk(t *testing.T) {
	s := start(t)
	one := s.publish("one", "ada")
	s.onAllNodes(func(c *config.Config) { c.MinFree = 1 << 60 }) // more than any disk has
	s.restart()
	a := s.do("POST", "/inbox/read", `{"all":true}`, "Authorization", "Bearer "+token(t, "ada"))
	assert.Equal(t, "unavailable", a.problem(t))
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
	assert.Equal(t, 1, s.inbox("ada", "").Unread)
	a = s.do("DELETE", "/notifications/"+one, "", "Authorization", "Bearer "+admin(t))
	assert.Equal(t, http.StatusNoContent, a.StatusCode)
	assert.Empty(t, s.inbox("ada", "").Items)
}

func TestAPIKeysHaveNoInbox(t *testing.T) {
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
