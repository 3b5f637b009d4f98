package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestFilters(t *testing.T) {
	s := start(t)
	s.inbox.page.Cursor = "c"
	for query, want := range map[string]notify.Filter{
		"":                                  {},
		"type=comment.*":                    {Types: []notify.TypePattern{"comment.*"}},
		"type=mention&type=comment.created": {Types: []notify.TypePattern{"mention", "comment.created"}},
		"type=a&type=a":                     {Types: []notify.TypePattern{"a"}},
		"type=&topic=&priority=":            {},
		"topic=project.7&topic=%C3%A9.%2A":  {Topics: []notify.TopicPattern{"project.7", "é.*"}},
		"priority=high&priority=low":        {Priorities: []notify.Priority{"high", "low"}},
		"priority=normal&type=a.b.*&topic=c": {
			Types: []notify.TypePattern{"a.b.*"}, Topics: []notify.TopicPattern{"c"}, Priorities: []notify.Priority{"normal"},
		},
		repeated(20): {Types: numbered(20)},
	} {
		require.Equal(t, 200, s.do("GET", "/inbox?"+query+"&state=all", "", asAda...).StatusCode, query)
		got := s.inbox.queries[len(s.inbox.queries)-1].Filter
		require.Equal(t, notify.StateAll, got.State)
		got.State = notify.StateInbox
		require.Equal(t, want, got, query)

		require.Equal(t, 200, s.do("GET", "/inbox/counts?"+query, "", asAda...).StatusCode, query)
		require.Equal(t, want, s.inbox.filters[len(s.inbox.filters)-1], query)
	}
}

func repeated(n int) string {
	query := url.Values{}
	for _, p := range numbered(n) {
		query.Add("type", string(p))
	}
	return query.Encode()
}

func numbered(n int) (all []notify.TypePattern) {
	for i := range n {
		all = append(all, notify.TypePattern(fmt.Sprint("t", i)))
	}
	return all
}

func TestInvalidFiltersAreRefusedWithTheRule(t *testing.T) {
	s := start(t)
	for query, detail := range map[string]string{
		"type=comment*":                    `the query parameter type has the value "comment*": a type must have a * only at its end, after a dot`,
		"type=*":                           `the query parameter type has the value "*": a type must have a * only at its end, after a dot`,
		"type=.*":                          `the query parameter type has the value ".*": a type must not be empty`,
		"type=a&type=b/c":                  `the query parameter type has the value "b/c": a type must have only the characters A-Z a-z 0-9 . _ -`,
		"topic=a*":                         `the query parameter topic has the value "a*": a topic must have a * only at its end, after a dot`,
		"topic=a%00":                       `the query parameter topic has the value "a\x00": a topic must not have white space or control characters`,
		"topic=a%20b.*":                    `the query parameter topic has the value "a b.*": a topic must not have white space or control characters`,
		"topic=%FF":                        `the query parameter topic has the value "\xff": a topic must be UTF-8`,
		"priority=urgent":                  `the query parameter priority has the value "urgent": a priority must be low, normal or high`,
		"priority=high,low":                `the query parameter priority has the value "high,low": a priority must be low, normal or high`,
		repeated(21):                       `the query parameter type must have at most 20 values`,
		"types=a":                          "",
		"type=" + strings.Repeat("a", 129): `the query parameter type has the value "` + strings.Repeat("a", 40) + `"…: a type must have at most 128 characters`,
	} {
		for _, path := range []string{"/inbox?", "/inbox/counts?"} {
			a := s.do("GET", path+query, "", asAda...)
			s.problem(a, 400, "malformed")
			if detail != "" {
				require.Contains(t, string(a.body), strings.Trim(fmt.Sprintf("%q", detail), `"`), query)
			}
		}
	}
	a := s.do("GET", "/inbox?colour=green", "", asAda...)
	s.problem(a, 400, "malformed")
	require.Contains(t, string(a.body), "allowed are: limit, before, state, type, topic, priority")
	require.Empty(t, s.inbox.queries)
	require.Empty(t, s.inbox.filters)
}

func TestCountsOfAnInbox(t *testing.T) {
	s := start(t)
	s.inbox.grouped = notify.GroupedCounts{
		Counts: notify.Counts{Unread: 4, Unseen: 1},
		By:     map[string]notify.Counts{"mention": {Unread: 1}, "comment.created": {Unread: 3, Unseen: 1}},
	}
	for query, by := range map[string]notify.Grouping{"": notify.ByNothing, "?by=": notify.ByNothing, "?by=type": notify.ByType, "?by=topic": notify.ByTopic, "?by=priority": notify.ByPriority} {
		a := s.do("GET", "/inbox/counts"+query, "", asAda...)
		require.Equal(t, 200, a.StatusCode, "%s: %s", query, a.body)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		groups := `,"by":{"comment.created":{"unread":3,"unseen":1},"mention":{"unread":1,"unseen":0}}`
		if by == notify.ByNothing {
			groups = ""
		}
		require.Equal(t, `{"unread_count":4,"unseen_count":1`+groups+`}`, string(a.body))
		require.Equal(t, by, s.inbox.groupings[len(s.inbox.groupings)-1])
	}
	for _, query := range []string{"by=user", "by=Type", "by=type&by=topic", "state=unread", "limit=1"} {
		s.problem(s.do("GET", "/inbox/counts?"+query, "", asAda...), 400, "malformed")
	}
	s.problem(s.do("GET", "/inbox/counts", ""), 401, "unauthenticated")
}
