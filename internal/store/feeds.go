package store

import (
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// A feed is a topic or a pattern. Both have a history: a notification to a topic is in
// the history of the topic and in those of the patterns that match it, so that a reader
// of a pattern reads one history, whatever the number of topics.

// patternsOf returns the patterns with a history that match a topic or a longer pattern,
// longest first.
func patternsOf(name string) []string {
	if strings.IndexByte(name, '.') < 0 {
		return nil
	}
	all := make([]string, 0, maxPatternDots)
	for i := 0; i < len(name) && len(all) < maxPatternDots; i++ {
		if name[i] == '.' && name[i:] != ".*" {
			all = append(all, name[:i]+".*")
		}
	}
	slices.Reverse(all)
	return all
}

// parentOf returns the longest pattern with a history that matches a feed, without its "*";
// empty if no such pattern matches.
func parentOf(feed string) string {
	end := 0
	for i, dots := 0, 0; i < len(feed) && dots < maxPatternDots; i++ {
		if feed[i] == '.' && feed[i:] != ".*" {
			end, dots = i+1, dots+1
		}
	}
	return feed[:end]
}

// isPattern reports whether a feed is a pattern. No topic contains a "*".
func isPattern(feed string) bool { return strings.HasSuffix(feed, "*") }

// isPattern reports whether o is a pattern.
func (o owner) isPattern() bool { return o.kind == kindFeedItem && isPattern(o.name) }

// withPatterns returns owners, and the patterns that match their topics, each once.
func withPatterns(owners []owner) []owner {
	var all []owner
	seen := map[owner]bool{}
	add := func(o owner) {
		if !seen[o] {
			seen[o] = true
			all = append(all, o)
		}
	}
	for _, o := range owners {
		add(o)
		if o.kind == kindFeedItem {
			for _, p := range patternsOf(o.name) {
				add(owner{kindFeedItem, p})
			}
		}
	}
	return all
}

// feedsRead returns the feeds whose histories a reader of patterns reads, in ascending
// order. No two of them have a topic in common.
func feedsRead(r pebble.Reader, patterns []notify.TopicPattern) ([]string, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	feeds := make([]string, 0, len(patterns))
	for _, p := range patterns {
		prefix, many := p.Prefix()
		if !many || strings.Count(prefix, ".") <= maxPatternDots {
			feeds = append(feeds, string(p))
			continue
		}
		topics, err := topicsUnder(r, prefix)
		if err != nil {
			return nil, err
		}
		feeds = append(feeds, topics...)
	}
	slices.Sort(feeds)
	feeds = slices.Compact(feeds)
	if !slices.ContainsFunc(feeds, isPattern) {
		return feeds, nil
	}
	named := make(map[string]bool, len(feeds))
	for _, n := range feeds {
		named[n] = true
	}
	return slices.DeleteFunc(feeds, func(n string) bool {
		return slices.ContainsFunc(patternsOf(n), func(p string) bool { return named[p] })
	}), nil
}

// topicsUnder returns the topics with a history that begin with prefix.
func topicsUnder(r pebble.Reader, prefix string) (topics []string, err error) {
	lower := append([]byte{kindHistoryTopic}, prefix...)
	err = each(r, lower, endOfPrefix(lower), func(k, _ []byte) (bool, error) {
		topics = append(topics, string(k[1:]))
		return true, nil
	})
	return topics, err
}

// feedsRead returns the feeds as the entries so far leave them: the batch does not have the
// changed histories yet.
func (tx *txn) feedsRead(patterns []notify.TopicPattern) ([]string, error) {
	all := slices.Clone(patterns)
	emptied := map[string]bool{}
	for _, h := range tx.dirty {
		name := h.owner.name
		if h.owner.kind != kindFeedItem || isPattern(name) || strings.Count(name, ".") <= maxPatternDots {
			continue
		}
		if h.isEmpty() {
			emptied[name] = true
		} else if _, ok := notify.FirstMatch(patterns, []notify.Topic{notify.Topic(name)}); ok {
			all = append(all, notify.TopicPattern(name))
		}
	}
	feeds, err := feedsRead(tx.batch, all)
	return slices.DeleteFunc(feeds, func(feed string) bool { // a topic that is named is read without a history, too
		return emptied[feed] && !slices.Contains(patterns, notify.TopicPattern(feed))
	}), err
}
