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

// fields are members of the request body of POST /notify.
type fields map[string]any

// publishFields publishes a notification with a title and w, and returns its id.
func (s *service) publishFields(title string, w fields) string {
	s.t.Helper()
	w["type"], w["title"] = "test", title
	body, err := json.Marshal(w)
	require.NoError(s.t, err)
	a := s.post("/notify", string(body))
	require.Equal(s.t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	id, _ := a.json(s.t)["id"].(string)
	return id
}

// publishTo publishes a notification with a title to topics.
func (s *service) publishTo(title string, topics ...string) {
	s.t.Helper()
	s.publishFields(title, fields{"to": fields{"topics": topics}})
}

// topicsToken signs a token that names topics.
func topicsToken(t *testing.T, user string, topics ...notify.TopicPattern) string {
	return sign(t, auth.Claims{User: notify.UserID(user), Topics: topics, TTL: time.Hour})
}

// connectTo connects a user from a cursor, with a token that names topics.
func (s *service) connectTo(user, cursor string, topics ...notify.TopicPattern) *connection {
	s.t.Helper()
	return s.connectWith(topicsToken(s.t, user, topics...), cursor)
}

func TestTopicsAreDeliveredLiveAndFromHistory(t *testing.T) {
	s := start(t)
	team, project, noTopics := s.connectTo("ada", "", "team-42"), s.connectTo("grace", "", "project.*"), s.live("edsger")
	team.expect("live")
	project.expect("live")

	s.publishTo("for the team", "team-42")
	s.publishTo("for a project", "project.7")
	s.publishTo("for its builds", "project.7.builds")
	s.publishTo("for the word", "project")
	s.publish("for all")
	f := team.read()
	assert.Equal(t, "for the team", f.text("title"))
	assert.Equal(t, "topic", f.text("audience"))
	assert.Equal(t, "team-42", f.text("topic"))
	assert.NotEmpty(t, f.Cursor)
	team.expect("for all")
	project.expect("for a project", "for its builds", "for all")
	noTopics.expect("for all")

	s.restart()
	f = s.connectTo("ada", "earliest", "team-42").read()
	assert.Equal(t, "for the team", f.text("title"))
	assert.Equal(t, "team-42", f.text("topic"))
	s.connectTo("grace", "earliest", "project.*").expect("for a project", "for its builds", "for all", "live")
	s.connectTo("new", "earliest", "team-42", "project").expect("for the team", "for the word", "for all", "live")
	s.connect("ada", "earliest").expect("for all", "live")
}

// A notification that matches several topics of a user is delivered once, with the
// first matching topic, live as well as from history.
func TestSeveralMatchingTopicsDeliverOnce(t *testing.T) {
	s := start(t)
	both := []notify.TopicPattern{"project.*", "news", "project.7"}
	live := s.connectTo("ada", "", both...)
	live.expect("live")
	one := func(c *connection) {
		f := c.read()
		assert.Equal(t, "one", f.text("title"))
		assert.Equal(t, "news", f.text("topic"))
	}
	s.publishTo("one", "other", "news", "project.7")
	one(live)
	s.publishFields("typing", fields{"to": fields{"topics": []string{"project.7", "news"}}, "ephemeral": true})
	s.publish("two", "ada")
	late := s.connectTo("ada", "earliest", both...)
	one(late)
	live.expectInAnyOrder("typing", "two") // an ephemeral notification may overtake others
	late.expect("two", "live")
}

func TestRefreshChangesTopics(t *testing.T) {
	s := start(t)
	c := s.connectTo("ada", "", "news", "weather")
	c.expect("live")
	s.publishTo("one", "news")
	c.expect("one")
	c.send(`{"event":"refresh","ref":"1","data":{"token":"` + topicsToken(t, "ada", "weather", "sport.*") + `"}}`)
	require.Equal(t, "reply", c.read().Event)
	s.publishTo("not any more", "news")
	s.publishTo("still", "weather")
	s.publishTo("from now on", "sport.chess")
	c.expect("still", "from now on")
	c.send(`{"event":"refresh","ref":"2","data":{"token":"` + token(t, "ada") + `"}}`)
	require.Equal(t, "reply", c.read().Event)
	s.publishTo("nothing any more", "weather")
	s.publish("for ada", "ada")
	c.expect("for ada")
}

func TestTicketHasTheTopicsOfItsToken(t *testing.T) {
	s := start(t)
	ada := s.listen("?ticket="+s.ticket(topicsToken(t, "ada", "project.*")), "")
	assert.Equal(t, "welcome", ada.next().event)
	assert.Equal(t, "live", ada.next().event)
	s.publishTo("one", "project.7")
	e := ada.next()
	assert.Equal(t, "notification", e.event)
	assert.Contains(t, e.data, `"topic":"project.7"`)
}

func TestPublishingToTopicsNeedsAScope(t *testing.T) {
	s := start(t)
	const body = `{"to":{"topics":["news"]},"type":"t"}`
	by := func(scopes ...notify.Scope) response {
		return s.do("POST", "/notify", body, "Authorization", "Bearer "+token(t, "p", scopes...))
	}
	assert.Equal(t, "scope", by().problem(t))
	assert.Equal(t, "scope", by(notify.ScopeBroadcast).problem(t))
	a := by(notify.ScopePublish)
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	assert.NotContains(t, a.json(t), "recipients")
	assert.EqualValues(t, 1, s.metric(`bellhop_publishes_total{audience="topic",outcome="stored"}`))
	assert.EqualValues(t, 1, s.metric(`bellhop_publishes_total{audience="topic",outcome="refused"}`),
		"a token without any publish scope is refused before this is counted")
}

// A notification with a collapse key replaces the older one with the same key. The
// older one is recalled, and the pair counts as one unread notification.
func TestCollapsing(t *testing.T) {
	s := start(t)
	ada := s.connectTo("ada", "", "news")
	ada.expect("live")
	to := fields{"users": []string{"ada", "grace"}}
	first := s.publishFields("one", fields{"to": to, "collapse_key": "issue-42"})
	s.publishFields("another key", fields{"to": to, "collapse_key": "issue-43"})
	s.publish("no key", "ada")
	second := s.publishFields("two", fields{"to": to, "collapse_key": "issue-42"})
	f := ada.read()
	assert.Equal(t, "one", f.text("title"))
	assert.Equal(t, "issue-42", f.text("collapse_key"))
	assert.NotContains(t, f.Data, "replaces")
	ada.expect("another key", "no key")
	f = ada.read()
	assert.Equal(t, []any{first}, f.Data["recalled"])
	assert.NotContains(t, f.Data, "unread_count", "the count follows in an event of its own")
	assert.Empty(t, f.Cursor, "the replacement has the cursor")
	f = ada.read()
	assert.Equal(t, "two", f.text("title"))
	assert.Equal(t, first, f.text("replaces"))
	assert.EqualValues(t, 3, ada.read().Data["unread_count"])

	s.restart()
	late := s.connect("ada", "earliest")
	late.expect("another key", "no key")
	f = late.read()
	assert.Equal(t, []any{first}, f.Data["recalled"], "a client that shows it must remove it")
	assert.Empty(t, f.Cursor)
	f = late.read()
	assert.Equal(t, "two", f.text("title"))
	assert.Equal(t, first, f.text("replaces"))
	f = late.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 3, f.Data["unread_count"])

	// The same key is new for one recipient and a replacement for another.
	edsger := s.connect("edsger", "")
	edsger.expect("live")
	s.publishFields("three", fields{"to": fields{"users": []string{"edsger", "ada"}}, "collapse_key": "issue-42"})
	f = edsger.read()
	assert.Equal(t, "three", f.text("title"))
	assert.NotContains(t, f.Data, "replaces")
	assert.Equal(t, []any{second}, late.read().Data["recalled"])
	assert.Equal(t, second, late.read().text("replaces"))

	// Collapse keys for topics and for broadcasts are separate from those of users.
	s.restart()
	ada = s.connectTo("ada", "", "news")
	ada.expect("live")
	for _, to := range []fields{{"topics": []string{"news"}}, {"all": true}} {
		older := s.publishFields("older", fields{"to": to, "collapse_key": "issue-42"})
		newer := s.publishFields("newer", fields{"to": to, "collapse_key": "issue-42"})
		f := ada.read()
		assert.Equal(t, older, f.text("id"))
		assert.NotContains(t, f.Data, "replaces")
		assert.Equal(t, []any{older}, ada.read().Data["recalled"])
		f = ada.read()
		assert.Equal(t, newer, f.text("id"))
		assert.Equal(t, older, f.text("replaces"))
		assert.Contains(t, ada.read().Data, "unread_count")
	}
	s.connectTo("ada", "earliest", "news").expect("another key", "no key", "inbox", "inbox", "three", "inbox", "newer", "inbox", "newer", "live")
}

// A deferred notification is delivered when it is due, in the order of due times,
// even if the service restarts in between.
func TestDeliverAt(t *testing.T) {
	s := start(t)
	ada := s.connectTo("ada", "", "news")
	ada.expect("live")
	s.publishFields("long past", fields{"to": fields{"users": []string{"ada"}}, "deliver_at": "2001-01-01T00:00:00Z"})
	begin := time.Now()
	at := func(after time.Duration) string { return begin.Add(after).UTC().Format(time.RFC3339Nano) }
	s.publishFields("third", fields{"to": fields{"users": []string{"ada"}}, "deliver_at": at(2500 * time.Millisecond)})
	s.publishFields("second", fields{"to": fields{"topics": []string{"news"}}, "deliver_at": at(2 * time.Second)})
	s.publishFields("first", fields{"to": fields{"all": true}, "deliver_at": at(300 * time.Millisecond)})
	far := s.publishFields("far", fields{"to": fields{"users": []string{"ada"}}, "deliver_at": at(time.Hour)})
	require.NotEmpty(t, far)
	assert.EqualValues(t, 1, s.metric(`bellhop_publishes_total{audience="topic",outcome="deferred"}`))

	ada.expect("long past")
	f := ada.read()
	assert.Equal(t, "first", f.text("title"))
	due(t, f, begin.Add(300*time.Millisecond))

	s.restart()
	back := s.connectTo("ada", ada.cursor, "news")
	var got []frame
	for len(got) < 2 {
		if f := back.read(); f.Event == "notification" {
			got = append(got, f)
		}
	}
	assert.Equal(t, []string{"second", "third"}, []string{got[0].text("title"), got[1].text("title")})
	due(t, got[0], begin.Add(2*time.Second))
	due(t, got[1], begin.Add(2500*time.Millisecond))
	s.connectTo("ada", "earliest", "news").expect("long past", "first", "second", "third", "live")
}

// due asserts that the time of f is not before at.
func due(t *testing.T, f frame, at time.Time) {
	t.Helper()
	delivered, err := time.Parse(time.RFC3339, f.text("time"))
	require.NoError(t, err)
	assert.False(t, delivered.Before(at.Truncate(time.Millisecond)), "delivered at %v, due at %v", delivered, at)
}

// A retry with the same idempotency key does not defer a second notification.
func TestRetryOfADeferredNotificationIsADuplicate(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	body, err := json.Marshal(fields{
		"to": fields{"users": []string{"ada"}}, "type": "t", "title": "once", "deliver_at": time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano),
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

// A time to live starts at the delivery of a deferred notification. When it ends, the
// notification is no longer counted as unread, and every open device receives the new
// count.
func TestExpiredNotificationsAreNotCounted(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	s.publish("lasting", "ada")
	s.publishFields("brief", fields{
		"to": fields{"users": []string{"ada"}}, "ttl": 1, "deliver_at": time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano),
	})
	ada.expect("lasting")
	f := ada.read()
	assert.Equal(t, "brief", f.text("title"))
	delivered, err := time.Parse(time.RFC3339, f.text("time"))
	require.NoError(t, err)
	assert.Equal(t, delivered.Add(time.Second).UTC().Format("2006-01-02T15:04:05.000Z"), f.text("expires_at"))

	f = ada.read()
	assert.Equal(t, "inbox", f.Event)
	assert.Equal(t, map[string]any{"unread_count": 1.0, "unseen_count": 1.0}, f.Data)
	assert.NotEmpty(t, f.Cursor)
	back := s.connect("ada", ada.cursor)
	f = back.read()
	assert.Equal(t, "live", f.Event)
	assert.EqualValues(t, 1, f.Data["unread_count"])
	s.connect("ada", "earliest").expect("lasting", "live")
}
