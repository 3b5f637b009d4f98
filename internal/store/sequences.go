package store

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// sequences is a sorted set that counts its elements between two sequences by binary
// search. It is kept in chunks, so that removing one of a million moves a few hundred.
type sequences struct {
	chunks [][]notify.Sequence // none is empty
	n      int
}

const maxChunk = 1 << 10

// chunkOf returns the first chunk that may contain seq, or the number of chunks.
func (s *sequences) chunkOf(seq notify.Sequence) int {
	i, _ := slices.BinarySearchFunc(s.chunks, seq, func(c []notify.Sequence, seq notify.Sequence) int {
		if c[len(c)-1] < seq {
			return -1
		}
		return 1
	})
	return i
}

func (s *sequences) add(seq notify.Sequence) {
	i := s.chunkOf(seq)
	if i == len(s.chunks) { // greater than all others
		if i == 0 || len(s.chunks[i-1]) >= maxChunk {
			s.chunks = append(s.chunks, nil)
		} else {
			i--
		}
		s.chunks[i] = append(s.chunks[i], seq)
		s.n++
		return
	}
	at, found := slices.BinarySearch(s.chunks[i], seq)
	if found {
		return
	}
	s.n++
	s.chunks[i] = slices.Insert(s.chunks[i], at, seq)
	if c := s.chunks[i]; len(c) > maxChunk {
		half := len(c) / 2
		s.chunks = slices.Insert(s.chunks, i+1, slices.Clone(c[half:]))
		s.chunks[i] = c[:half:half]
	}
}

func (s *sequences) remove(seq notify.Sequence) {
	i := s.chunkOf(seq)
	if i == len(s.chunks) {
		return
	}
	at, found := slices.BinarySearch(s.chunks[i], seq)
	if !found {
		return
	}
	s.n--
	if s.chunks[i] = slices.Delete(s.chunks[i], at, at+1); len(s.chunks[i]) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}

// upTo returns the number of elements up to and including seq.
func (s *sequences) upTo(seq notify.Sequence) (n int) {
	i := s.chunkOf(seq)
	if i == len(s.chunks) {
		return s.n
	}
	for _, c := range s.chunks[:i] {
		n += len(c)
	}
	at, found := slices.BinarySearch(s.chunks[i], seq)
	if found {
		at++
	}
	return n + at
}

// between returns the number of elements from one sequence to another one, both included.
func (s *sequences) between(from, to notify.Sequence) int {
	if from > to {
		return 0
	}
	n := s.upTo(to)
	if from > 0 {
		n -= s.upTo(from - 1)
	}
	return n
}

// appendUpTo appends the elements up to and including seq, in ascending order.
func (s *sequences) appendUpTo(dst []notify.Sequence, seq notify.Sequence) []notify.Sequence {
	for _, c := range s.chunks {
		if c[len(c)-1] > seq {
			at, _ := slices.BinarySearch(c, seq+1)
			return append(dst, c[:at]...)
		}
		dst = append(dst, c...)
	}
	return dst
}

// sequencesOf returns a set with the elements of all, which must ascend and be distinct.
// The set keeps all, and must not be changed.
func sequencesOf(all []notify.Sequence) sequences {
	if len(all) == 0 {
		return sequences{}
	}
	return sequences{chunks: [][]notify.Sequence{all}, n: len(all)}
}
