package hub

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// A user who joins and leaves a topic again and again takes bounded memory, and the latest spans are
// kept.
func TestTheSpansOfATopicAreBounded(t *testing.T) {
	var h notify.Hearing
	at := notify.Sequence(1)
	for range 10 * maxSpans {
		h = changed(h, true, at)
		h = changed(h, false, at+1)
		at += 2
	}
	require.LessOrEqual(t, len(h), maxSpans+1)
	require.True(t, h.Has(at-2))
	require.True(t, h.Has(at-2*maxSpans))
	require.False(t, h.Has(1))
}
