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

// inboxCounts is a response to GET /inbox/counts.
type inboxCounts struct {
	Unread int               `json:"unread_count"`
	Unseen int               `json:"unseen_count"`
	By     map[string]counts `json:"by"`
}

type counts struct{ Unread, Unseen int }

// A tab of an inbox shows some types, topics or priorities, with counts of its own.
func TestAFilteredListHasTheCountsOfItsFilter(t *testing.T) {
	s := start(t)
	reader := sign(t, auth.Claims{User: "ada", Topics: []notify.TopicPattern{"team", "project.*"}, TTL: time.Hour})
	get := func(path string, to any) {
		t.Helper()
		a := s.do("GET", path, "", "Authorization", "Bearer "+reader)
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		require.NoError(t, json.Unmarshal(a.body, to))
	}
	list := func(query string) (p inboxPage) {
		t.Helper()
		get("/inbox?"+query, &p)
		return p
	}
	count := func(query string) (c inboxCounts) {
		t.Helper()
		get("/inbox/counts?"+query, &c)
		return c
	}
	send := func(body string) (id string) {
		t.Helper()
		a := s.post("/notify", body)
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
		id, _ = a.json(t)["id"].(string)
		return id
	}
	one := send(`{"to":{"users":["ada"]},"type":"comment.created","title":"one","priority":"high"}`)
	two := send(`{"to":{"topics":["team","project.7"]},"type":"comment.deleted","title":"two"}`)
	send(`{"to":{"topics":["project.8","others"]},"type":"mention","title":"three","priority":"high"}`)
	send(`{"to":{"all":true},"type":"commented","title":"four","priority":"low"}`)
	send(`{"to":{"topics":["others"]},"type":"comment.created","title":"not for ada"}`)
	s.mark("ada", "seen", byID(one))

	for query, want := range map[string][]string{
		"":                                    {"four", "three", "two", "one"},
		"type=comment.*":                      {"two", "one"},
		"type=mention&type=comment.created":   {"three", "one"},
		"topic=project.7":                     {"two"},
		"topic=team&topic=project.8":          {"three", "two"},
		"topic=project.*&priority=high":       {"three"},
		"topic=others":                        {},
		"priority=high&priority=low":          {"four", "three", "one"},
		"type=comment.*&priority=low":         {},
		"type=comment.*&state=unread&limit=9": {"two", "one"},
		"type=comment.*&state=archived":       {},
	} {
		p := list(query)
		assert.Equal(t, want, p.titles(), query)
		if query != "type=comment.*&state=archived" {
			assert.Equal(t, len(want), p.Unread, query)
		}
	}
	first := list("type=comment.*&limit=1")
	assert.Equal(t, []string{"two"}, first.titles())
	assert.Equal(t, []int{2, 1}, []int{first.Unread, first.Unseen})
	assert.Equal(t, []string{"one"}, list("type=comment.*&limit=1&before="+first.Next).titles())

	assert.Equal(t, inboxCounts{Unread: 4, Unseen: 3}, count(""))
	assert.Equal(t, inboxCounts{4, 3, map[string]counts{
		"comment.created": {1, 0}, "comment.deleted": {1, 1}, "mention": {1, 1}, "commented": {1, 1},
	}}, count("by=type"))
	assert.Equal(t, inboxCounts{4, 3, map[string]counts{"high": {2, 1}, "normal": {1, 1}, "low": {1, 1}}}, count("by=priority"))
	assert.Equal(t, inboxCounts{4, 3, map[string]counts{"team": {1, 1}, "project.7": {1, 1}, "project.8": {1, 1}}}, count("by=topic"))
	assert.Equal(t, inboxCounts{2, 2, map[string]counts{"project.7": {1, 1}, "project.8": {1, 1}}}, count("by=topic&topic=project.*"))

	marked := s.do("POST", "/inbox/read", byID(two), "Authorization", "Bearer "+reader)
	require.Equal(t, http.StatusOK, marked.StatusCode, "%s", marked.body)
	assert.Equal(t, inboxCounts{1, 0, map[string]counts{"comment.created": {1, 0}}}, count("type=comment.*&by=type"))

	for _, query := range []string{"type=comment*", "topic=*", "priority=urgent"} {
		a := s.do("GET", "/inbox/counts?"+query, "", "Authorization", "Bearer "+reader)
		assert.Equal(t, http.StatusBadRequest, a.StatusCode, query)
	}
}
