package notify_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestPatternsMatch(t *testing.T) {
	for _, c := range []struct {
		pattern notify.TopicPattern
		topic   notify.Topic
		matches bool
	}{
		{"news", "news", true},
		{"news", "news.today", false},
		{"news.*", "news", false},
		{"news.*", "news.", true},
		{"news.*", "news.today", true},
		{"news.*", "news.today.late", true},
		{"news.today.*", "news.today.late", true},
		{"news.today.*", "news.yesterday", false},
		{"news.*", "newsletter", false},
		{"new", "news", false},
		{"ä.*", "ä.ö", true},
	} {
		if got := c.pattern.Matches(c.topic); got != c.matches {
			t.Errorf("%s matches %s: %t", c.pattern, c.topic, got)
		}
	}
}

func TestPatternsCover(t *testing.T) {
	for _, c := range []struct {
		wide, narrow notify.TopicPattern
		covers       bool
	}{
		{"acme.*", "acme.*", true},
		{"acme.*", "acme.news", true},
		{"acme.*", "acme.news.*", true},
		{"acme.*", "acme", false},
		{"acme.*", "acme2.*", false},
		{"acme.news.*", "acme.*", false},
		{"acme.news", "acme.news", true},
		{"acme.news", "acme.news.*", false},
		{"acme.news", "acme.news.late", false},
	} {
		if got := c.wide.Covers(c.narrow); got != c.covers {
			t.Errorf("%s covers %s: %t", c.wide, c.narrow, got)
		}
	}
}

func TestFirstMatchIsTheFirstOfTheTopics(t *testing.T) {
	patterns := []notify.TopicPattern{"b", "a.*"}
	if got, ok := notify.FirstMatch(patterns, []notify.Topic{"c", "a.1", "b"}); got != "a.1" || !ok {
		t.Errorf("heard %q, %t", got, ok)
	}
	if got, ok := notify.FirstMatch(patterns, []notify.Topic{"c", "a"}); got != "" || ok {
		t.Errorf("heard %q, %t", got, ok)
	}
}

func TestParsePattern(t *testing.T) {
	for _, s := range []string{"news", "project.7", "project.*", "a.b.*", "ä.*", "..*", "...*", strings.Repeat("a", 254) + ".*"} {
		if p, err := notify.ParsePattern(s); string(p) != s || err != nil {
			t.Errorf("%q is %q, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "*", ".*", ".", "..", "a*", "*.a", "a.*.*", "a.*.b", "a b", "a\x00", "\xff", strings.Repeat("a", 255) + ".*"} {
		if _, err := notify.ParsePattern(s); !errors.Is(err, notify.ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
