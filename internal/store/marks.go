package store

import (
	"encoding/binary"
	"slices"
	"sort"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// marks is what a user has read and archived of what is told to others, too:
// stretches of the journal's order, ascending and apart, outside of which
// nothing is. To mark all broadcasts so far is one stretch, whatever it holds,
// so that a broadcast takes nothing for those who are told it. Marks of what
// topics were told are apart from those, each in a stretch of its own, since
// which topics a user hears is another matter with each token.
type marks []stretch

// The marks of a user: places in what marksKinds returns.
const (
	marksOfAll = iota
	marksOfTopics
)

type stretch struct {
	from, to       notify.Sequence // inclusive
	read, archived int64           // milliseconds since 1970; 0: it is not
}

// at returns how the user finds what is at seq.
func (m marks) at(seq notify.Sequence) told {
	i := sort.Search(len(m), func(i int) bool { return m[i].to >= seq })
	if i == len(m) || m[i].from > seq {
		return told{}
	}
	return told{read: fromMillis(m[i].read), archived: fromMillis(m[i].archived)}
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// mark returns m with all from one place to another, inclusive, as it is after
// verb at a time.
func (m marks) mark(from, to notify.Sequence, verb notify.Verb, at time.Time) marks {
	next := make(marks, 0, len(m)+2)
	for _, s := range m { // what is before, and the part before of what reaches in
		if s.from < from {
			s.to = min(s.to, from-1)
			next = next.with(s)
		}
	}
	gap := from // where what is not looked at yet begins
	for _, s := range m {
		if s.to < from || s.from > to {
			continue
		}
		s.from, s.to = max(s.from, from), min(s.to, to)
		if gap < s.from {
			next = next.with(stretch{from: gap, to: s.from - 1}.after(verb, at))
		}
		next = next.with(s.after(verb, at))
		gap = s.to + 1
	}
	if gap <= to {
		next = next.with(stretch{from: gap, to: to}.after(verb, at))
	}
	for _, s := range m {
		if s.to > to {
			s.from = max(s.from, to+1)
			next = next.with(s)
		}
	}
	return next
}

// beginOf returns the first place where verb may change something: those who mark
// all have done so before.
func (m marks) beginOf(verb notify.Verb, at time.Time) notify.Sequence {
	if len(m) > 0 && m[0].from <= 1 && m[0].after(verb, at) == m[0] {
		return m[0].to + 1
	}
	return 1
}

// with returns m with s behind it, joined to what it goes on from.
func (m marks) with(s stretch) marks {
	if s.read == 0 && s.archived == 0 {
		return m
	}
	if i := len(m) - 1; i >= 0 && m[i].to+1 == s.from && m[i].read == s.read && m[i].archived == s.archived {
		m[i].to = s.to
		return m
	}
	return append(m, s)
}

// after returns s as it is after verb at a time.
func (s stretch) after(verb notify.Verb, at time.Time) stretch {
	t := told{read: fromMillis(s.read), archived: fromMillis(s.archived)}.after(verb, at)
	s.read, s.archived = toMillis(t.read), toMillis(t.archived)
	return s
}

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// after returns t as it is after verb at a time. What is so already stays as it
// is, with its time.
func (t told) after(verb notify.Verb, at time.Time) told {
	switch {
	case verb == notify.VerbRead && t.read.IsZero():
		t.read = at
	case verb == notify.VerbUnread:
		t.read, t.archived = time.Time{}, time.Time{}
	case verb == notify.VerbArchive && t.archived.IsZero():
		t.archived = at
	}
	return t
}

// pruneEvery is how many stretches come to be before it is looked which of all
// still have something in them: looking takes a seek for each.
const pruneEvery = 32

// prune drops the stretches of which nothing is kept.
func (m marks) prune(r pebble.Reader) (marks, error) {
	it, err := r.NewIter(&pebble.IterOptions{
		LowerBound: []byte{kindNotification}, UpperBound: after(kindNotification),
	})
	if err != nil {
		return m, err
	}
	defer it.Close()
	m = slices.DeleteFunc(m, func(s stretch) bool {
		return !it.SeekGE(sequenceKey(kindNotification, s.from)) || sequenceOf(it.Key()) > s.to
	})
	return m, it.Error()
}

func (m marks) append(dst []byte) []byte {
	var last notify.Sequence
	for _, s := range m {
		dst = binary.AppendUvarint(dst, uint64(s.from-last))
		dst = binary.AppendUvarint(dst, uint64(s.to-s.from))
		dst = binary.AppendUvarint(dst, uint64(s.read))     //nolint:gosec // a time since 1970
		dst = binary.AppendUvarint(dst, uint64(s.archived)) //nolint:gosec // a time since 1970
		last = s.to
	}
	return dst
}

// readMarks returns what u has marked, of a kind.
func readMarks(from pebble.Reader, kind byte, u notify.UserID) (marks, error) {
	b, err := get(from, marksKey(kind, u))
	if err != nil || b == nil {
		return nil, err
	}
	var m marks
	var last notify.Sequence
	for r := (record{b: b}); len(r.b) > 0; {
		s := stretch{from: last + notify.Sequence(r.uvarint())}
		s.to = s.from + notify.Sequence(r.uvarint())
		s.read, s.archived = int64(r.uvarint()), int64(r.uvarint()) //nolint:gosec // what append has put there
		if r.err != nil {
			return nil, r.err
		}
		m, last = append(m, s), s.to
	}
	return m, nil
}

// setMarks writes what u has marked.
func (g *group) setMarks(kind byte, u notify.UserID, m marks, had int) (err error) {
	if len(m)/pruneEvery > had/pruneEvery {
		if m, err = m.prune(g.batch); err != nil {
			return err
		}
	}
	if len(m) == 0 {
		g.remove(marksKey(kind, u))
		return g.err
	}
	g.setValue(marksKey(kind, u), m)
	return nil
}
