package store

import (
	"encoding/binary"
	"sort"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// intervalSet is the read state of an owner's notifications, by their sequences. Its
// intervals ascend and do not overlap. Marking all notifications up to a sequence adds
// one interval, whatever their number.
//
// An interval may say that its notifications are unread. Where a feed has no interval,
// the intervals of wider patterns apply: see userState.
type intervalSet []interval

type interval struct {
	from, to notify.Sequence // inclusive
	itemState
}

// sameAs reports whether j has the same state as i.
func (i interval) sameAs(j interval) bool { return i.itemState == j.itemState }

// applied returns i with verb applied at a time.
func (i interval) applied(verb notify.Verb, at time.Time) interval {
	i.itemState = i.itemState.applied(verb, at)
	return i
}

// find returns the interval that contains seq.
func (m intervalSet) find(seq notify.Sequence) (i interval, ok bool) {
	at := sort.Search(len(m), func(i int) bool { return m[i].to >= seq })
	if at == len(m) || m[at].from > seq {
		return interval{}, false
	}
	return m[at], true
}

// combine merges two interval sets in one pass. f is called for each range of sequences
// in which a, b or both have an interval, with these intervals, nil for none. It returns
// the state of the result in this range; keep is false if the result has no interval
// there.
func combine(a, b intervalSet, f func(a, b *interval) (i interval, keep bool)) (all intervalSet) {
	var at notify.Sequence
	for len(a) > 0 || len(b) > 0 {
		begin, end := ^notify.Sequence(0), ^notify.Sequence(0)
		for _, m := range []intervalSet{a, b} {
			if len(m) > 0 {
				begin = min(begin, max(at, m[0].from))
			}
		}
		var in [2]*interval
		for k, m := range []intervalSet{a, b} {
			switch {
			case len(m) == 0:
			case m[0].from <= begin:
				in[k], end = &m[0], min(end, m[0].to)
			default:
				end = min(end, m[0].from-1)
			}
		}
		if i, keep := f(in[0], in[1]); keep {
			i.from, i.to = begin, end
			all = all.join(i)
		}
		at = end + 1
		a, b = a.after(end), b.after(end)
	}
	return all
}

// after returns m without its first interval if that ends at seq or before.
func (m intervalSet) after(seq notify.Sequence) intervalSet {
	if len(m) > 0 && m[0].to <= seq {
		return m[1:]
	}
	return m
}

// join appends i, which begins after the end of m. It merges i with the last interval if they
// touch and have the same state.
func (m intervalSet) join(i interval) intervalSet {
	if last := len(m) - 1; last >= 0 && m[last].to+1 == i.from && m[last].sameAs(i) {
		m[last].to = i.to
		return m
	}
	return append(m, i)
}

// withFallback returns m with the intervals of wider where m has none.
func (m intervalSet) withFallback(wider intervalSet) intervalSet {
	if len(wider) == 0 {
		return m
	}
	return combine(wider, m, func(w, own *interval) (interval, bool) {
		if own != nil {
			return *own, true
		}
		return *w, true
	})
}

// differingFrom returns m without redundant intervals: those with the same state as
// wider, and those that say nothing where wider has none.
func (m intervalSet) differingFrom(wider intervalSet) intervalSet {
	return combine(wider, m, func(w, own *interval) (interval, bool) {
		switch {
		case own == nil:
			return interval{}, false
		case w == nil:
			return *own, own.itemState != itemState{}
		}
		return *own, !own.sameAs(*w)
	})
}

// apply returns m with verb applied at a time within ranges, whose read state is ignored.
// Sequences without an interval in m count as unread. If onlyExisting is set, they get no
// interval.
func (m intervalSet) apply(ranges intervalSet, verb notify.Verb, at time.Time, onlyExisting bool) intervalSet {
	return combine(m, ranges, func(own, in *interval) (interval, bool) {
		switch {
		case in == nil:
			return *own, true
		case own != nil:
			return own.applied(verb, at), true
		}
		return interval{}.applied(verb, at), !onlyExisting
	})
}

// changedBy returns the ranges after one sequence and up to another in which verb would
// change m.
func (m intervalSet) changedBy(after, through notify.Sequence, verb notify.Verb, at time.Time, onlyExisting bool) intervalSet {
	if after >= through {
		return nil
	}
	ranges := combine(m, intervalSet{{from: after + 1, to: through}}, func(own, in *interval) (interval, bool) {
		switch {
		case in == nil || own == nil && onlyExisting:
			return interval{}, false
		case own == nil:
			return interval{}, !interval{}.applied(verb, at).sameAs(interval{})
		}
		return interval{}, !own.applied(verb, at).sameAs(*own)
	})
	return ranges
}

func (m intervalSet) append(dst []byte) []byte {
	var last notify.Sequence
	for _, i := range m {
		dst = binary.AppendUvarint(dst, uint64(i.from-last))
		dst = binary.AppendUvarint(dst, uint64(i.to-i.from))
		dst = i.itemState.append(dst)
		last = i.to
	}
	return dst
}

// loadIntervals reads the interval set at key.
func loadIntervals(from pebble.Reader, key []byte) (intervalSet, error) {
	b, err := get(from, key)
	if err != nil || b == nil {
		return nil, err
	}
	return readIntervals(b)
}

func readIntervals(b []byte) (intervalSet, error) {
	var m intervalSet
	var last notify.Sequence
	for r := pack.NewReader(b); r.Len() > 0; {
		i := interval{from: last + notify.Sequence(r.Uint())}
		i.to = i.from + notify.Sequence(r.Uint())
		i.itemState = decodeItemState(r)
		if r.Err() != nil {
			return nil, r.Err()
		}
		m, last = append(m, i), i.to
	}
	return m, nil
}

// pruned returns m without the intervals of removed notifications: those in whose range r has no
// key. key returns the key of a notification at a sequence.
func (m intervalSet) pruned(r pebble.Reader, key func(notify.Sequence) []byte) (pruned intervalSet, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: key(0), UpperBound: key(^notify.Sequence(0))})
	if err != nil {
		return m, err
	}
	defer it.Close()
	for _, i := range m {
		if it.SeekGE(key(i.from)) && sequenceOf(it.Key()) <= i.to {
			pruned = append(pruned, i)
		}
	}
	return pruned, it.Error()
}
