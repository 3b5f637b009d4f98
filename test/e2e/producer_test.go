package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// wish is a body of POST /notify, with what its producer wishes for.
type wish map[string]any

// wanted publishes w under a title and returns the id.
func (s *service) wanted(title string, w wish) string {
	s.t.Helper()
	w["type"], w["title"] = "test", title
	body, err := json.Marshal(w)
	require.NoError(s.t, err)
	a := s.post("/notify", string(body))
	require.Equal(s.t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	id, _ := a.json(s.t)["id"].(string)
	return id
}

// toTopics publishes under a title to topics.
func (s *service) toTopics(title string, topics ...string) {
	s.t.Helper()
	s.wanted(title, wish{"to": wish{"topics": topics}})
}

// hearing signs a token that names topics.
func hearing(t *testing.T, user string, topics ...notify.TopicPattern) string {
	return sign(t, auth.Claims{User: notify.UserID(user), Topics: topics, TTL: time.Hour})
}

// hears connects a user with a token that names topics, from a cursor.
func (s *service) hears(user, cursor string, topics ...notify.TopicPattern) *connection {
	s.t.Helper()
	return s.connectWith(hearing(s.t, user, topics...), cursor)
}

func TestTopicsAreHeardLiveAndAfterwards(t *testing.T) {
	s := start(t)
	team, project, nobody := s.hears("ada", "", "team-42"), s.hears("grace", "", "project.*"), s.live("edsger")
	team.expect("live")
	project.expect("live")

	s.toTopics("for the team", "team-42")
	s.toTopics("for a project", "project.7")
	s.toTopics("for its builds", "project.7.builds")
	s.toTopics("for the word", "project")
	s.publish("for all")
	f := team.read()
	assert.Equal(t, "for the team", f.text("title"))
	assert.Equal(t, "topic", f.text("audience"))
	assert.Equal(t, "team-42", f.text("topic"))
	assert.NotEmpty(t, f.Cursor)
	team.expect("for all")
	project.expect("for a project", "for its builds", "for all")
	nobody.expect("for all")

	s.restart()
	f = s.hears("ada", "earliest", "team-42").read()
	assert.Equal(t, "for the team", f.text("title"))
	assert.Equal(t, "team-42", f.text("topic"))
	s.hears("grace", "earliest", "project.*").expect("for a project", "for its builds", "for all", "live")
	s.hears("new", "earliest", "team-42", "project").expect("for the team", "for the word", "for all", "live")
	s.connect("ada", "earliest").expect("for all", "live")
}

// Whoever hears of something by several topics is told once, of the first, live
// as afterwards.
func TestTwoTopicsAreHeardOnce(t *testing.T) {
	s := start(t)
	both := []notify.TopicPattern{"project.*", "news", "project.7"}
	live := s.hears("ada", "", both...)
	live.expect("live")
	one := func(c *connection) {
		f := c.read()
		assert.Equal(t, "one", f.text("title"))
		assert.Equal(t, "news", f.text("topic"))
	}
	s.toTopics("one", "other", "news", "project.7")
	one(live)
	s.wanted("typing", wish{"to": wish{"topics": []string{"project.7", "news"}}, "ephemeral": true})
	s.publish("two", "ada")
	late := s.hears("ada", "earliest", both...)
	one(late)
	live.expectInAnyOrder("typing", "two") // what is ephemeral may overtake
	late.expect("two", "live")
}

func TestARefreshChangesTopics(t *testing.T) {
	s := start(t)
	c := s.hears("ada", "", "news", "weather")
	c.expect("live")
	s.toTopics("one", "news")
	c.expect("one")
	c.send(`{"event":"refresh","ref":"1","data":{"token":"` + hearing(t, "ada", "weather", "sport.*") + `"}}`)
	require.Equal(t, "reply", c.read().Event)
	s.toTopics("not any more", "news")
	s.toTopics("still", "weather")
	s.toTopics("from now on", "sport.chess")
	c.expect("still", "from now on")
	c.send(`{"event":"refresh","ref":"2","data":{"token":"` + token(t, "ada") + `"}}`)
	require.Equal(t, "reply", c.read().Event)
	s.toTopics("nothing any more", "weather")
	s.publish("for ada", "ada")
	c.expect("for ada")
}

func TestATicketHearsWhatItsTokenDoes(t *testing.T) {
	s := start(t)
	ada := s.listen("?ticket="+s.ticket(hearing(t, "ada", "project.*")), "")
	assert.Equal(t, "welcome", ada.next().event)
	assert.Equal(t, "live", ada.next().event)
	s.toTopics("one", "project.7")
	e := ada.next()
	assert.Equal(t, "notification", e.event)
	assert.Contains(t, e.data, `"topic":"project.7"`)
}

func TestWhoMayPublishToTopics(t *testing.T) {
	s := start(t)
	const body = `{"to":{"topics":["news"]},"type":"t"}`
	by := func(scopes ...notify.Scope) answer {
		return s.do("POST", "/notify", body, "Authorization", "Bearer "+token(t, "p", scopes...))
	}
	assert.Equal(t, "scope", by().problem(t))
	assert.Equal(t, "scope", by(notify.ScopeBroadcast).problem(t))
	a := by(notify.ScopePublish)
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	assert.NotContains(t, a.json(t), "recipients")
	assert.Contains(t, s.metrics(), `bellhop_publishes_total{audience="topic",outcome="stored"} 1`)
	assert.Contains(t, s.metrics(), `bellhop_publishes_total{audience="topic",outcome="refused"} 1`,
		"who may publish nothing is refused before")
}

// The newer takes the place of the older, which is gone from then on, and is
// unread once.
func TestCollapsing(t *testing.T) {
	s := start(t)
	ada := s.hears("ada", "", "news")
	ada.expect("live")
	to := wish{"users": []string{"ada", "grace"}}
	first := s.wanted("one", wish{"to": to, "collapse_key": "issue-42"})
	s.wanted("another key", wish{"to": to, "collapse_key": "issue-43"})
	s.publish("no key", "ada")
	second := s.wanted("two", wish{"to": to, "collapse_key": "issue-42"})
	f := ada.read()
	assert.Equal(t, "one", f.text("title"))
	assert.Equal(t, "issue-42", f.text("collapse_key"))
	assert.NotContains(t, f.Data, "replaces")
	ada.expect("another key", "no key")
	f = ada.read()
	assert.Equal(t, []any{first}, f.Data["recalled"])
	assert.NotContains(t, f.Data, "unread_count", "it follows, for all whom it concerns")
	assert.Empty(t, f.Cursor, "that comes with what is next")
	f = ada.read()
	assert.Equal(t, "two", f.text("title"))
	assert.Equal(t, first, f.text("replaces"))
	assert.EqualValues(t, 3, ada.read().Data["unread_count"])

	s.restart()
	late := s.connect("ada", "earliest")
	late.expect("another key", "no key")
	f = late.read()
	assert.Equal(t, []any{first}, f.Data["recalled"], "who has shown it must take it away")
	assert.Empty(t, f.Cursor)
	f = late.read()
	assert.Equal(t, "two", f.text("title"))
	assert.Equal(t, first, f.text("replaces"))
	f = late.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 3, f.Data["unread_count"])

	// To some users it is news, to others it is not.
	edsger := s.connect("edsger", "")
	edsger.expect("live")
	s.wanted("three", wish{"to": wish{"users": []string{"edsger", "ada"}}, "collapse_key": "issue-42"})
	f = edsger.read()
	assert.Equal(t, "three", f.text("title"))
	assert.NotContains(t, f.Data, "replaces")
	assert.Equal(t, []any{second}, late.read().Data["recalled"])
	assert.Equal(t, second, late.read().text("replaces"))

	// For topics and for everyone, it is apart.
	s.restart()
	ada = s.hears("ada", "", "news")
	ada.expect("live")
	for _, to := range []wish{{"topics": []string{"news"}}, {"all": true}} {
		older := s.wanted("older", wish{"to": to, "collapse_key": "issue-42"})
		newer := s.wanted("newer", wish{"to": to, "collapse_key": "issue-42"})
		f := ada.read()
		assert.Equal(t, older, f.text("id"))
		assert.NotContains(t, f.Data, "replaces")
		assert.Equal(t, []any{older}, ada.read().Data["recalled"])
		f = ada.read()
		assert.Equal(t, newer, f.text("id"))
		assert.Equal(t, older, f.text("replaces"))
		assert.Contains(t, ada.read().Data, "unread_count")
	}
	s.hears("ada", "earliest", "news").expect("another key", "no key", "inbox", "inbox", "three", "inbox", "newer", "inbox", "newer", "live")
}

// What is deferred comes when it is due, in the order of time, whatever happens
// in between.
func TestDeliverAt(t *testing.T) {
	s := start(t)
	ada := s.hears("ada", "", "news")
	ada.expect("live")
	begin := time.Now()
	at := func(after time.Duration) string { return begin.Add(after).UTC().Format(time.RFC3339Nano) }
	s.wanted("third", wish{"to": wish{"users": []string{"ada"}}, "deliver_at": at(2500 * time.Millisecond)})
	s.wanted("second", wish{"to": wish{"topics": []string{"news"}}, "deliver_at": at(2 * time.Second)})
	s.wanted("first", wish{"to": wish{"all": true}, "deliver_at": at(300 * time.Millisecond)})
	s.wanted("long past", wish{"to": wish{"users": []string{"ada"}}, "deliver_at": "2001-01-01T00:00:00Z"})
	far := s.wanted("far", wish{"to": wish{"users": []string{"ada"}}, "deliver_at": at(time.Hour)})
	require.NotEmpty(t, far)
	assert.Contains(t, s.metrics(), `bellhop_publishes_total{audience="topic",outcome="deferred"} 1`)

	ada.expect("long past")
	f := ada.read()
	assert.Equal(t, "first", f.text("title"))
	due(t, f, begin.Add(300*time.Millisecond))

	s.restart()
	back := s.hears("ada", ada.cursor, "news")
	var got []frame
	for len(got) < 2 {
		if f := back.read(); f.Event == "notification" {
			got = append(got, f)
		}
	}
	assert.Equal(t, []string{"second", "third"}, []string{got[0].text("title"), got[1].text("title")})
	due(t, got[0], begin.Add(2*time.Second))
	due(t, got[1], begin.Add(2500*time.Millisecond))
	s.hears("ada", "earliest", "news").expect("long past", "first", "second", "third", "live")
}

// due holds that f is told to have come no sooner than at.
func due(t *testing.T, f frame, at time.Time) {
	t.Helper()
	told, err := time.Parse(time.RFC3339, f.text("time"))
	require.NoError(t, err)
	assert.False(t, told.Before(at.Truncate(time.Millisecond)), "told at %v, due at %v", told, at)
}

// A retry of what is deferred is no second one.
func TestDeferredOnce(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	body, err := json.Marshal(wish{
		"to": wish{"users": []string{"ada"}}, "type": "t", "title": "once", "deliver_at": time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano),
	})
	require.NoError(t, err)
	first := s.post("/notify", string(body), "Idempotency-Key", "k").json(t)
	again := s.post("/notify", string(body), "Idempotency-Key", "k").json(t)
	assert.Equal(t, first["id"], again["id"])
	assert.Equal(t, true, again["duplicate"])
	f := ada.read()
	assert.Equal(t, "once", f.text("title"))
	assert.Equal(t, first["id"], f.text("id"))
	s.publish("after", "ada")
	ada.expect("after")
}

// A time to live is counted from the delivery and ends to the second: the count
// of what is unread follows, on every device that is open.
func TestWhatHasExpiredIsCountedNoMore(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	s.publish("lasting", "ada")
	s.wanted("brief", wish{
		"to": wish{"users": []string{"ada"}}, "ttl": 1, "deliver_at": time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano),
	})
	ada.expect("lasting")
	f := ada.read()
	assert.Equal(t, "brief", f.text("title"))
	told, err := time.Parse(time.RFC3339, f.text("time"))
	require.NoError(t, err)
	assert.Equal(t, told.Add(time.Second).UTC().Format("2006-01-02T15:04:05.000Z"), f.text("expires_at"))

	f = ada.read()
	assert.Equal(t, "inbox", f.Event)
	assert.Equal(t, map[string]any{"unread_count": 1.0}, f.Data)
	assert.NotEmpty(t, f.Cursor)
	back := s.connect("ada", ada.cursor)
	f = back.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 1, f.Data["unread_count"])
	s.connect("ada", "earliest").expect("lasting", "live")
}
