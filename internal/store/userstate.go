package store

import (
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// userState is one user's read state of shared notifications. Its records are read when
// they are needed.
//
// Notifications to one topic are marked in intervals of feeds: the topic, or a pattern
// that stands for it. Of the feeds with an interval at a sequence, the longest counts. So
// a reader of a pattern marks everything up to a sequence with one interval, however many
// topics there are, and readers of single topics find it. Notifications to several topics
// are marked one by one, in blocks of sequences, since readers hear them through
// different topics. Notifications to everyone have intervals of their own.
type userState struct {
	from pebble.Reader
	user notify.UserID

	everyone *marks           // nil: not read yet
	feeds    map[string]marks // own intervals of nodes
	all      []string         // what the nodes begin with of which all intervals are in nodes
	whole    map[string]marks // of patterns without their "*", with what wider ones say
	blocks   map[uint64]marks // of what several topics were told
}

func newUserState(from pebble.Reader, u notify.UserID) *userState {
	return &userState{from: from, user: u}
}

func (s *userState) ofEveryone() (marks, error) {
	if s.everyone == nil {
		m, err := readMarks(s.from, marksKey(s.user))
		if err != nil {
			return nil, err
		}
		s.everyone = &m
	}
	return *s.everyone, nil
}

// own returns the intervals of a feed itself.
func (s *userState) own(feed string) (marks, error) {
	if m, ok := s.feeds[feed]; ok {
		return m, nil
	}
	for _, prefix := range s.all {
		if strings.HasPrefix(feed, prefix) {
			return nil, nil
		}
	}
	m, err := readMarks(s.from, feedMarksKey(s.user, feed))
	if err == nil {
		s.keep(feed, m)
	}
	return m, err
}

// keep remembers the intervals of a feed. Most users have marked nothing shared, so
// maps are made when something is kept.
func (s *userState) keep(feed string, m marks) {
	if s.feeds == nil {
		s.feeds = map[string]marks{}
	}
	s.feeds[feed] = m
}

// set changes the intervals of a feed.
func (s *userState) set(feed string, m marks) {
	s.keep(feed, m)
	clear(s.whole)
}

// wider returns what the patterns that stand for a feed say together.
func (s *userState) wider(feed string) (marks, error) {
	parent := parentOf(feed)
	if parent == "" {
		return nil, nil
	}
	if m, ok := s.whole[parent]; ok {
		return m, nil
	}
	return s.wholeOf(parent + "*")
}

// wholeOf returns what a pattern and those that are wider say together.
func (s *userState) wholeOf(pattern string) (marks, error) {
	wider, err := s.wider(pattern)
	if err != nil {
		return nil, err
	}
	own, err := s.own(pattern)
	if err != nil {
		return nil, err
	}
	if s.whole == nil {
		s.whole = map[string]marks{}
	}
	m := own.over(wider)
	s.whole[strings.TrimSuffix(pattern, "*")] = m
	return m, nil
}

// at returns how the user finds what one topic alone was told at seq.
func (s *userState) at(topic string, seq notify.Sequence) (userItem, error) {
	m, err := s.own(topic)
	if err != nil {
		return userItem{}, err
	}
	i, ok := m.find(seq)
	if !ok {
		if m, err = s.wider(topic); err != nil {
			return userItem{}, err
		}
		i, _ = m.find(seq)
	}
	return i.item(), nil
}

// isNarrower reports whether a feed below above has an interval at seq that counts
// for a topic.
func (s *userState) isNarrower(topic, above string, seq notify.Sequence) (bool, error) {
	for _, feed := range append([]string{topic}, patternsOf(topic)...) {
		if feed == above {
			return false, nil
		}
		m, err := s.own(feed)
		if err != nil {
			return false, err
		}
		if _, ok := m.find(seq); ok {
			return true, nil
		}
	}
	return false, nil
}

// block returns the marks of a block of what several topics were told.
func (s *userState) block(number uint64) (marks, error) {
	if m, ok := s.blocks[number]; ok {
		return m, nil
	}
	m, err := readMarks(s.from, blockMarksKey(s.user, number))
	if err == nil {
		s.setBlock(number, m)
	}
	return m, err
}

func (s *userState) setBlock(number uint64, m marks) {
	if s.blocks == nil {
		s.blocks = map[uint64]marks{}
	}
	s.blocks[number] = m
}

// ofMulti returns how the user finds what several topics were told at seq.
func (s *userState) ofMulti(seq notify.Sequence) (userItem, error) {
	m, err := s.block(blockOf(seq))
	i, _ := m.find(seq)
	return i.item(), err
}

// aheadMost is how many feeds under a pattern are read ahead.
const aheadMost = 256

// readAhead reads the feeds under a pattern, of which there are few mostly, so that
// not each of its topics is looked for.
func (s *userState) readAhead(pattern string) error {
	prefix := strings.TrimSuffix(pattern, "*")
	n := 0
	err := s.eachUnder(prefix, "", func(feed string, m marks) (bool, error) {
		if _, ok := s.feeds[feed]; !ok {
			s.keep(feed, m)
		}
		n++
		return n < aheadMost, nil
	})
	if err == nil && n < aheadMost {
		s.all = append(s.all, prefix)
	}
	return err
}

// eachUnder calls f with the feeds that begin with prefix and have intervals, in order
// from one on, until f returns false.
func (s *userState) eachUnder(prefix, from string, f func(feed string, m marks) (bool, error)) error {
	none := feedMarksKey(s.user, "")
	lower, upper := feedMarksKey(s.user, max(prefix, from)), afterPrefix(feedMarksKey(s.user, prefix))
	return each(s.from, lower, upper, func(k, v []byte) (bool, error) {
		if len(k) == len(none) {
			return true, nil // where tidying has come to
		}
		m, err := decodeMarks(v)
		if err != nil {
			return false, err
		}
		return f(string(k[len(none):]), m)
	})
}
