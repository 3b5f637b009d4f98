package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestParseTypePatternAllowsAnAsteriskAtTheEndOnly(t *testing.T) {
	for s, ok := range map[string]bool{
		"comment":         true,
		"comment.created": true,
		"comment.*":       true,
		"a.b.*":           true,
		"":                false,
		"*":               false,
		".*":              false,
		"comment*":        false,
		"comment.*.x":     false,
		"*.created":       false,
		"comment.**":      false,
		"comment/created": false,
		"é":               false,
		strings.Repeat("a", notify.MaxTypeLength):        true,
		strings.Repeat("a", notify.MaxTypeLength+1):      false,
		strings.Repeat("a", notify.MaxTypeLength) + ".*": true,
	} {
		if p, err := notify.ParseTypePattern(s); (err == nil) != ok || ok && string(p) != s {
			t.Errorf("%q: %q, %v", s, p, err)
		}
	}
}

func TestTypeAndPriorityAreReadFromTheBeginningOfTheContent(t *testing.T) {
	for content, want := range map[string][2]string{
		`"id":"1","type":"comment.created","priority":"high","title":"x"`: {"comment.created", "high"},
		`"id":"1","type":"t","priority":"low"`:                            {"t", "low"},
		`"id":"1","type":"t","title":",\"priority\":\"high\""`:            {"t", ""},
		`"id":"1","title":"t"`:                                            {"", ""},
		`"id":"1`:                                                         {"", ""},
		``:                                                                {"", ""},
	} {
		n := notify.Notification{Content: []byte(content)}
		if n.Type() != want[0] || string(n.Priority()) != want[1] {
			t.Errorf("%s: type %q, priority %q", content, n.Type(), n.Priority())
		}
	}
}

func TestFilterMatchesOneValueOfEachList(t *testing.T) {
	n := notify.Notification{
		Content: []byte(`"id":"1","type":"comment.created","priority":"high"`),
		Topics:  []notify.Topic{"project.7", "secret"},
	}
	hears := func(t notify.Topic) bool { return t == "project.7" }
	type (
		types      = []notify.TypePattern
		topics     = []notify.TopicPattern
		priorities = []notify.Priority
	)
	for name, c := range map[string]struct {
		f    notify.Filter
		want bool
	}{
		"nothing":                  {notify.Filter{}, true},
		"the type":                 {notify.Filter{Types: types{"comment.created"}}, true},
		"a pattern of types":       {notify.Filter{Types: types{"comment.*"}}, true},
		"one of the types":         {notify.Filter{Types: types{"mention", "comment.created"}}, true},
		"another type":             {notify.Filter{Types: types{"comment.deleted"}}, false},
		"a type that begins it":    {notify.Filter{Types: types{"comment"}}, false},
		"a pattern of others":      {notify.Filter{Types: types{"comment.created.*", "com.*"}}, false},
		"the topic":                {notify.Filter{Topics: topics{"project.7"}}, true},
		"a pattern of topics":      {notify.Filter{Topics: topics{"else", "project.*"}}, true},
		"a topic of others":        {notify.Filter{Topics: topics{"secret"}}, false},
		"the priority":             {notify.Filter{Priorities: priorities{"low", "high"}}, true},
		"another priority":         {notify.Filter{Priorities: priorities{"low", "normal"}}, false},
		"all of them":              {notify.Filter{Types: types{"comment.*"}, Topics: topics{"project.7"}, Priorities: priorities{"high"}}, true},
		"all but the priority":     {notify.Filter{Types: types{"comment.*"}, Topics: topics{"project.7"}, Priorities: priorities{"low"}}, false},
		"the state":                {notify.Filter{State: notify.StateUnread, Types: types{"comment.*"}}, true},
		"another state":            {notify.Filter{State: notify.StateArchived, Types: types{"comment.*"}}, false},
		"a type but not the state": {notify.Filter{State: notify.StateRead, Types: types{"comment.created"}}, false},
	} {
		if got := c.f.Matches(&n, hears); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	n.Topics, n.Read = nil, time.Unix(1, 0)
	if f := (notify.Filter{Topics: topics{"project.7"}}); f.Matches(&n, hears) {
		t.Error("a notification without a topic matches a topic")
	}
	if f := (notify.Filter{State: notify.StateRead, Types: types{"comment.*"}}); !f.Matches(&n, hears) {
		t.Error("a notification that was read does not match its state")
	}
}
