package store

import (
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// userState is one user's read state of shared notifications. Its records are read on
// first use.
//
// Notifications to one topic are marked in intervals of feeds: of the topic, or of a
// pattern that matches it. If several of these feeds have an interval at a sequence, the
// longest feed counts. A reader of a pattern therefore marks everything up to a sequence
// with one interval, whatever the number of topics, and readers of single topics find it.
// Notifications to several topics are marked one by one, in blocks of sequences, since
// readers receive them through different topics. Notifications to everyone have an interval
// set of their own.
type userState struct {
	from pebble.Reader
	user notify.UserID

	everyone  *intervalSet           // nil: not read yet
	feeds     map[string]intervalSet // intervals of the feeds themselves
	complete  []string               // prefixes under which all feeds with intervals are in feeds
	effective map[string]intervalSet // by pattern without its "*": its intervals, with those of wider patterns as fallback
	blocks    map[uint64]intervalSet // of notifications to several topics
}

func newUserState(from pebble.Reader, u notify.UserID) *userState {
	return &userState{from: from, user: u}
}

func (s *userState) everyoneIntervals() (intervalSet, error) {
	if s.everyone == nil {
		m, err := loadIntervals(s.from, readEveryoneKey(s.user))
		if err != nil {
			return nil, err
		}
		s.everyone = &m
	}
	return *s.everyone, nil
}

// ownIntervals returns the intervals of the feed itself.
func (s *userState) ownIntervals(feed string) (intervalSet, error) {
	if m, ok := s.feeds[feed]; ok {
		return m, nil
	}
	for _, prefix := range s.complete {
		if strings.HasPrefix(feed, prefix) {
			return nil, nil
		}
	}
	m, err := loadIntervals(s.from, readFeedKey(s.user, feed))
	if err == nil {
		s.remember(feed, m)
	}
	return m, err
}

// remember caches the intervals of a feed. The maps are allocated late, since most users
// have marked nothing that is shared.
func (s *userState) remember(feed string, m intervalSet) {
	if s.feeds == nil {
		s.feeds = map[string]intervalSet{}
	}
	s.feeds[feed] = m
}

// set replaces the intervals of a feed.
func (s *userState) set(feed string, m intervalSet) {
	s.remember(feed, m)
	clear(s.effective)
}

// widerIntervals returns the intervals that the patterns which match a feed have
// together.
func (s *userState) widerIntervals(feed string) (intervalSet, error) {
	parent := parentOf(feed)
	if parent == "" {
		return nil, nil
	}
	if m, ok := s.effective[parent]; ok {
		return m, nil
	}
	return s.effectiveIntervals(parent + "*")
}

// effectiveIntervals returns the intervals of a pattern, with those of wider patterns as
// fallback.
func (s *userState) effectiveIntervals(pattern string) (intervalSet, error) {
	wider, err := s.widerIntervals(pattern)
	if err != nil {
		return nil, err
	}
	own, err := s.ownIntervals(pattern)
	if err != nil {
		return nil, err
	}
	if s.effective == nil {
		s.effective = map[string]intervalSet{}
	}
	m := own.withFallback(wider)
	s.effective[strings.TrimSuffix(pattern, "*")] = m
	return m, nil
}

// singleState returns the read state of the notification at seq, which was published to
// topic alone.
func (s *userState) singleState(topic string, seq notify.Sequence) (itemState, error) {
	m, err := s.ownIntervals(topic)
	if err != nil {
		return itemState{}, err
	}
	i, ok := m.find(seq)
	if !ok {
		if m, err = s.widerIntervals(topic); err != nil {
			return itemState{}, err
		}
		i, _ = m.find(seq)
	}
	return i.itemState, nil
}

// hasNarrower reports whether a feed that is longer than above and matches topic has an
// interval at seq.
func (s *userState) hasNarrower(topic, above string, seq notify.Sequence) (bool, error) {
	for _, feed := range append([]string{topic}, patternsOf(topic)...) {
		if feed == above {
			return false, nil
		}
		m, err := s.ownIntervals(feed)
		if err != nil {
			return false, err
		}
		if _, ok := m.find(seq); ok {
			return true, nil
		}
	}
	return false, nil
}

// block returns the intervals of one block of sequences.
func (s *userState) block(number uint64) (intervalSet, error) {
	if m, ok := s.blocks[number]; ok {
		return m, nil
	}
	m, err := loadIntervals(s.from, readMultiKey(s.user, number))
	if err == nil {
		s.setBlock(number, m)
	}
	return m, err
}

func (s *userState) setBlock(number uint64, m intervalSet) {
	if s.blocks == nil {
		s.blocks = map[uint64]intervalSet{}
	}
	s.blocks[number] = m
}

// multiState returns the read state of the notification at seq, which was published to
// several topics.
func (s *userState) multiState(seq notify.Sequence) (itemState, error) {
	m, err := s.block(blockOf(seq))
	i, _ := m.find(seq)
	return i.itemState, err
}

// maxPreloaded is the maximum of feeds that preload reads for a pattern.
const maxPreloaded = 256

// preload reads the intervals of all feeds under a pattern at one time, instead of a lookup for
// each topic, but at most a number of them. Usually only few feeds have intervals.
func (s *userState) preload(pattern string, most int) error {
	prefix := strings.TrimSuffix(pattern, "*")
	n := 0
	err := s.eachUnder(prefix, "", func(feed string, m intervalSet) (bool, error) {
		if _, ok := s.feeds[feed]; !ok {
			s.remember(feed, m)
		}
		n++
		return n < most, nil
	})
	if err == nil && n < most {
		s.complete = append(s.complete, prefix)
	}
	return err
}

// eachUnder calls f with the feeds that begin with prefix and have intervals, in
// ascending order and not before from, until f returns false.
func (s *userState) eachUnder(prefix, from string, f func(feed string, m intervalSet) (bool, error)) error {
	none := readFeedKey(s.user, "")
	lower, upper := readFeedKey(s.user, max(prefix, from)), endOfPrefix(readFeedKey(s.user, prefix))
	return each(s.from, lower, upper, func(k, v []byte) (bool, error) {
		if len(k) == len(none) {
			return true, nil // the position of pruning
		}
		m, err := readIntervals(v)
		if err != nil {
			return false, err
		}
		return f(string(k[len(none):]), m)
	})
}
