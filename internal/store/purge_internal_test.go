package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"
)

// A compaction that has begun may know of a snapshot that is closed, so a purge waits for its end, and
// not for that of later ones.
func TestAPurgeWaitsForTheCompactionsThatHaveBegun(t *testing.T) {
	var c compactions
	c.begun(pebble.CompactionInfo{JobID: 1})
	passed := c.passed()
	c.begun(pebble.CompactionInfo{JobID: 2})
	has, err := passed()
	require.NoError(t, err)
	require.False(t, has)
	c.ended(pebble.CompactionInfo{JobID: 1})
	has, err = passed()
	require.NoError(t, err)
	require.True(t, has)
}

// The estimate has the tables that overlap the range, and those of the next level that overlap these.
func TestTheSpaceOfACompaction(t *testing.T) {
	of := func(from, to string, size uint64) table {
		return table{file: from + to, from: []byte(from), to: []byte(to), size: size}
	}
	levels := [][]table{
		{of("b", "d", 1)}, {}, {of("a", "c", 10), of("d", "f", 100)}, {of("a", "e", 1000), of("f", "g", 10_000), of("h", "z", 100_000)},
	}
	require.EqualValues(t, 1111, compactionBytes(levels, []byte("b"), []byte("b")), "flushed tables with what is below them")
	require.EqualValues(t, 11_100, compactionBytes(levels, []byte("e"), []byte("e"))) // d-f, with a-e and f-g
	require.EqualValues(t, 100_000, compactionBytes(levels, []byte("x"), []byte("y")))
}
