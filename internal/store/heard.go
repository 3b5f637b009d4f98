package store

import (
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// heard is what a reader hears of topics: all that its token names, and the topics of which it is
// or was a member, within intervals of sequences.
type heard struct {
	patterns []notify.TopicPattern
	members  map[notify.Topic]intervalSet // of topics that no pattern matches; nil: none
	joined   []heardFeed                  // the same topics, ascending
}

// heardFeed is a feed whose history a reader reads, within intervals; nil: all of it.
type heardFeed struct {
	name   string
	within intervalSet
}

// readHeard returns what r hears. h is the history of its user.
func readHeard(from pebble.Reader, r notify.Reader, h *history) (heard, error) {
	all := heard{patterns: r.Topics}
	if h.topics == 0 {
		return all, nil
	}
	all.members = make(map[notify.Topic]intervalSet, h.topics)
	all.joined = make([]heardFeed, 0, h.topics)
	err := eachMembership(from, r.User, func(t notify.Topic, m intervalSet) {
		if _, ok := notify.FirstMatch(r.Topics, []notify.Topic{t}); !ok {
			all.members[t] = m
			all.joined = append(all.joined, heardFeed{string(t), m})
		}
	})
	return all, err
}

// topicOf returns the first of the topics of a notification by which it is heard.
func (h *heard) topicOf(topics []notify.Topic, seq notify.Sequence) (t notify.Topic, ok bool) {
	if len(h.members) == 0 {
		return notify.FirstMatch(h.patterns, topics)
	}
	for i, t := range topics {
		if _, ok := notify.FirstMatch(h.patterns, topics[i:i+1]); ok {
			return t, true
		}
		if _, ok := h.members[t].find(seq); ok {
			return t, true
		}
	}
	return "", false
}

// feeds adds the topics of memberships to the feeds that the token names. The result ascends, and
// no two feeds have a topic in common.
func (h *heard) feeds(named []string) []heardFeed {
	if len(named) == 0 {
		return h.joined
	}
	all := make([]heardFeed, 0, len(named)+len(h.joined))
	for _, name := range named {
		all = append(all, heardFeed{name: name})
	}
	if len(h.joined) == 0 {
		return all
	}
	all = append(all, h.joined...)
	slices.SortFunc(all, func(a, b heardFeed) int { return strings.Compare(a.name, b.name) })
	return all
}

// overlap returns the parts of ranges that are heard, with the state of ranges.
func (f *heardFeed) overlap(ranges intervalSet) intervalSet {
	if f.within == nil {
		return ranges
	}
	return combine(ranges, f.within, func(a, b *interval) (interval, bool) {
		if a == nil || b == nil {
			return interval{}, false
		}
		return *a, true
	})
}

// has reports whether a notification at seq is heard.
func (f *heardFeed) has(seq notify.Sequence) bool {
	if f.within == nil {
		return true
	}
	_, ok := f.within.find(seq)
	return ok
}

// begin returns the first sequence that is heard.
func (f *heardFeed) begin() notify.Sequence {
	if len(f.within) == 0 {
		return 0
	}
	return f.within[0].from
}

// lastUpTo returns the last sequence up to seq that is heard; 0: none is.
func (f *heardFeed) lastUpTo(seq notify.Sequence) (last notify.Sequence) {
	if f.within == nil {
		return seq
	}
	for _, i := range f.within {
		if i.from <= seq {
			last = min(seq, i.to)
		}
	}
	return last
}
