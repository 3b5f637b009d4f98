package peers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nodes of two versions announce themselves to each other: fields are only added at the end.
func TestBeatsOfOtherVersionsAreRead(t *testing.T) {
	n := Node{
		Name: "a", Instance: "x", Version: "v1", Rules: 3, Started: time.Unix(1_800_000_000, 0).UTC(),
		State:   State{Sequence: 7, Lag: time.Second, Fault: "behind", Witnessed: 3, Agree: 1, Contradict: 2, Connections: 300, Message: 200},
		Stopped: true,
	}
	beat := appendBeat(nil, &n)
	read, ok := readBeat(beat)
	require.True(t, ok)
	require.Equal(t, n, read)
	later, ok := readBeat(append(beat, 1, 2, 3))
	require.True(t, ok)
	require.Equal(t, n, later)
	earlier, ok := readBeat(beat[:len(beat)-1]) // without the last field
	require.True(t, ok)
	n.Stopped = false
	require.Equal(t, n, earlier)
	earlier, ok = readBeat(beat[:len(beat)-3]) // without the message
	require.True(t, ok)
	n.Message = 0
	require.Equal(t, n, earlier)
	earlier, ok = readBeat(beat[:len(beat)-5]) // without the number of connections
	require.True(t, ok)
	n.Connections = -1
	require.Equal(t, n, earlier)
	for _, cut := range []int{2, 4} {
		_, ok = readBeat(beat[:len(beat)-cut])
		require.False(t, ok)
	}
}
