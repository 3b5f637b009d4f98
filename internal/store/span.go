package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// span is a range of sequences, both ends included.
type span struct{ from, to notify.Sequence }

func (s span) count() uint64 { return uint64(s.to-s.from) + 1 }

// spans ascend, and no two touch.
//
// The store keeps the spans of the sequences that were applied. Every transaction merges
// its own span in the batch with its changes. If a transaction is lost, its span is lost
// with it: the spans show a loss anywhere, at the end, in the middle or at the beginning.
// An undamaged store has one span, from 1 to the last sequence.
type spans []span

const spanBytes = 8 + 8

func (s spans) append(dst []byte) []byte {
	for _, one := range s {
		dst = binary.BigEndian.AppendUint64(dst, uint64(one.from))
		dst = binary.BigEndian.AppendUint64(dst, uint64(one.to))
	}
	return dst
}

func readSpans(b []byte) (spans, error) {
	m := &spanMerger{}
	err := m.add(b)
	return m.normalised(), err
}

// gaps returns the spans between 1 and last that s does not contain.
func (s spans) gaps(last notify.Sequence) (missing spans) {
	next := notify.Sequence(1)
	for _, one := range s {
		if one.from > next {
			missing = append(missing, span{next, one.from - 1})
		}
		next = one.to + 1
	}
	if next <= last {
		missing = append(missing, span{next, last})
	}
	return missing
}

// String implements fmt.Stringer.
func (s spans) String() string {
	parts := make([]string, len(s))
	for i, one := range s {
		parts[i] = fmt.Sprintf("%d to %d", one.from, one.to)
	}
	return strings.Join(parts, ", ")
}

// merger makes Pebble merge spans. It has the name of Pebble's default merger, which
// concatenates, so that a store of an earlier format can be opened and refused for its
// format. Concatenated spans are decoded correctly too.
func merger() *pebble.Merger {
	return &pebble.Merger{
		Name: pebble.DefaultMerger.Name,
		Merge: func(_, value []byte) (pebble.ValueMerger, error) {
			m := &spanMerger{}
			return m, m.add(value)
		},
	}
}

// spanMerger implements pebble.ValueMerger. The order of its operands does not matter.
type spanMerger struct{ all spans }

// add adds the encoded spans in b. Spans of consecutive transactions are joined immediately,
// in either order, so that merging any number of them takes little memory.
func (m *spanMerger) add(b []byte) error {
	if len(b)%spanBytes != 0 {
		return errCorrupt
	}
	for ; len(b) > 0; b = b[spanBytes:] {
		one := span{
			from: notify.Sequence(binary.BigEndian.Uint64(b)),
			to:   notify.Sequence(binary.BigEndian.Uint64(b[8:])),
		}
		if one.from == 0 || one.to < one.from {
			return errCorrupt
		}
		m.insert(one)
	}
	return nil
}

func (m *spanMerger) insert(one span) {
	if n := len(m.all); n > 0 {
		last := &m.all[n-1]
		if one.from <= last.to+1 && last.from <= one.to+1 {
			last.from, last.to = min(last.from, one.from), max(last.to, one.to)
			return
		}
	}
	m.all = append(m.all, one)
}

// normalised returns all spans in ascending order, with those that touch joined.
func (m *spanMerger) normalised() spans {
	slices.SortFunc(m.all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	sorted := m.all
	m.all = nil
	for _, one := range sorted {
		m.insert(one)
	}
	return m.all
}

// MergeNewer implements pebble.ValueMerger.
func (m *spanMerger) MergeNewer(value []byte) error { return m.add(value) }

// MergeOlder implements pebble.ValueMerger.
func (m *spanMerger) MergeOlder(value []byte) error { return m.add(value) }

// Finish implements pebble.ValueMerger.
func (m *spanMerger) Finish(bool) ([]byte, io.Closer, error) {
	return m.normalised().append(nil), nil, nil
}
