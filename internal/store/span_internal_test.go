package store

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
)

// Pebble may merge the spans of transactions in any grouping and in either direction, and store
// intermediate results. The merged spans are the same in every case.
func TestSpansMergeInAnyGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var groups []span
		lost := map[notify.Sequence]bool{}
		next := notify.Sequence(1)
		for range rapid.IntRange(1, 20).Draw(t, "groups") {
			one := span{next, next + notify.Sequence(rapid.IntRange(0, 3).Draw(t, "entries"))}
			next = one.to + 1
			if rapid.IntRange(0, 4).Draw(t, "lost") == 0 {
				for seq := one.from; seq <= one.to; seq++ {
					lost[seq] = true
				}
				continue
			}
			groups = append(groups, one)
		}
		for len(groups) > 1 {
			from := rapid.IntRange(0, len(groups)-2).Draw(t, "from")
			to := rapid.IntRange(from+2, len(groups)).Draw(t, "to")
			merged := mergeSome(t, groups[from:to], rapid.Bool().Draw(t, "older"))
			groups = append(groups[:from:from], append(merged, groups[to:]...)...)
			if len(merged) == to-from {
				break // gaps between all of them
			}
		}
		got := mergeSome(t, groups, false).gaps(next - 1)
		missing := map[notify.Sequence]bool{}
		for _, one := range got {
			for seq := one.from; seq <= one.to; seq++ {
				missing[seq] = true
			}
		}
		if !assert.ObjectsAreEqual(lost, missing) {
			t.Fatalf("missing %v, lost %v", missing, lost)
		}
	})
}

func mergeSome(t require.TestingT, groups []span, older bool) spans {
	if len(groups) == 0 {
		return nil
	}
	at := func(i int) []byte {
		if older {
			i = len(groups) - 1 - i
		}
		return spans{groups[i]}.append(nil)
	}
	m, err := merger().Merge(nil, at(0))
	require.NoError(t, err)
	for i := 1; i < len(groups); i++ {
		if older {
			require.NoError(t, m.MergeOlder(at(i)))
		} else {
			require.NoError(t, m.MergeNewer(at(i)))
		}
	}
	b, _, err := m.Finish(true)
	require.NoError(t, err)
	read, err := readSpans(b)
	require.NoError(t, err)
	return read
}

func TestMalformedSpansAreCorrupt(t *testing.T) {
	for _, b := range [][]byte{make([]byte, 15), make([]byte, 16), spans{{5, 4}}.append(nil)} {
		_, err := readSpans(b)
		require.ErrorIs(t, err, errCorrupt)
	}
}

func TestGaps(t *testing.T) {
	assert.Empty(t, spans(nil).gaps(0))
	assert.Empty(t, spans{{1, 9}}.gaps(9))
	assert.Equal(t, spans{{1, 9}}, spans(nil).gaps(9))
	missing := spans{{3, 4}, {7, 8}}.gaps(9)
	assert.Equal(t, spans{{1, 2}, {5, 6}, {9, 9}}, missing)
	assert.Equal(t, "1 to 2, 5 to 6, 9 to 9", missing.String())
}
