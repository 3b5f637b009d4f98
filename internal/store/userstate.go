package store

import (
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// userState is one user's read state of shared notifications. Its records are read when
// they are needed.
//
// Notifications to one topic are marked in intervals of nodes: the topic, or a pattern
// that stands for it. Of the nodes with an interval at a sequence, the longest counts. So
// a reader of a pattern marks everything up to a sequence with one interval, however many
// topics there are, and readers of single topics find it. Notifications to several topics
// are marked one by one, in blocks of sequences, since readers hear them through
// different topics. Notifications to everyone have intervals of their own.
type userState struct {
	from pebble.Reader
	user notify.UserID

	everyone *marks           // nil: not read yet
	nodes    map[string]marks // own intervals of nodes
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

// own returns the intervals of a node itself.
func (s *userState) own(node string) (marks, error) {
	if m, ok := s.nodes[node]; ok {
		return m, nil
	}
	for _, prefix := range s.all {
		if strings.HasPrefix(node, prefix) {
			return nil, nil
		}
	}
	m, err := readMarks(s.from, nodeMarksKey(s.user, node))
	if err == nil {
		s.keep(node, m)
	}
	return m, err
}

// keep remembers the intervals of a node. Most users have marked nothing shared, so
// maps are made when something is kept.
func (s *userState) keep(node string, m marks) {
	if s.nodes == nil {
		s.nodes = map[string]marks{}
	}
	s.nodes[node] = m
}

// set changes the intervals of a node.
func (s *userState) set(node string, m marks) {
	s.keep(node, m)
	clear(s.whole)
}

// wider returns what the patterns that stand for a node say together.
func (s *userState) wider(node string) (marks, error) {
	parent := parentOf(node)
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
func (s *userState) at(topic string, seq notify.Sequence) (told, error) {
	m, err := s.own(topic)
	if err != nil {
		return told{}, err
	}
	i, ok := m.find(seq)
	if !ok {
		if m, err = s.wider(topic); err != nil {
			return told{}, err
		}
		i, _ = m.find(seq)
	}
	return i.told(), nil
}

// isNarrower reports whether a node below above has an interval at seq that counts
// for a topic.
func (s *userState) isNarrower(topic, above string, seq notify.Sequence) (bool, error) {
	for _, node := range append([]string{topic}, patternsOf(topic)...) {
		if node == above {
			return false, nil
		}
		m, err := s.own(node)
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

// ofSeveral returns how the user finds what several topics were told at seq.
func (s *userState) ofSeveral(seq notify.Sequence) (told, error) {
	m, err := s.block(blockOf(seq))
	i, _ := m.find(seq)
	return i.told(), err
}

// aheadMost is how many nodes under a pattern are read ahead.
const aheadMost = 256

// readAhead reads the nodes under a pattern, of which there are few mostly, so that
// not each of its topics is looked for.
func (s *userState) readAhead(pattern string) error {
	prefix := strings.TrimSuffix(pattern, "*")
	n := 0
	err := s.eachUnder(prefix, "", func(node string, m marks) (bool, error) {
		if _, ok := s.nodes[node]; !ok {
			s.keep(node, m)
		}
		n++
		return n < aheadMost, nil
	})
	if err == nil && n < aheadMost {
		s.all = append(s.all, prefix)
	}
	return err
}

// eachUnder calls f with the nodes that begin with prefix and have intervals, in order
// from one on, until f returns false.
func (s *userState) eachUnder(prefix, from string, f func(node string, m marks) (bool, error)) error {
	none := nodeMarksKey(s.user, "")
	lower, upper := nodeMarksKey(s.user, max(prefix, from)), afterPrefix(nodeMarksKey(s.user, prefix))
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
