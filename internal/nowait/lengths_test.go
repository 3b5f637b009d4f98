package nowait_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/nowait"
)

// receive has a connection receive parts, one after the other.
func receive(t *testing.T, parts ...string) *nowait.LengthLines {
	t.Helper()
	accepted, peer := pair(t)
	for _, part := range parts {
		_, err := io.WriteString(peer, part)
		require.NoError(t, err)
		_, err = io.ReadFull(accepted, make([]byte, len(part)))
		require.NoError(t, err)
	}
	l := nowait.Lengths(accepted)
	require.NotNil(t, l)
	return l
}

func TestLengthLinesAreCounted(t *testing.T) {
	for text, want := range map[string]int{
		"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n":                      1,
		"POST / HTTP/1.1\r\nHost: x\r\ncOnTeNt-LeNgTh:5\r\n\r\n":            1,
		"POST / HTTP/1.1\nContent-Length: 5\n\n":                            1,
		"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n": 2,
		"\n\n\ncontent-length:":                                             1,
		"\ncontent-len\ncontent-length:":                                    1,
		"\ncontent-length\ncontent-length: 1":                               1,
		"Content-Length: 5\r\n":                                             0, // in the place of a request line
		"POST / HTTP/1.1\r\nX-Content-Length: 5\r\n":                        0,
		"POST / HTTP/1.1\r\nX: Content-Length: 5\r\n":                       0,
		"POST / HTTP/1.1\r\nContent-Lengths: 5\r\n":                         0,
		"POST / HTTP/1.1\r\nContent_Length: 5\r\n":                          0,
		"POST / HTTP/1.1\r\n\r\n" + `{"content-length": 5}`:                 0,
	} {
		for cut := range len(text) + 1 {
			l := receive(t, text[:cut], text[cut:])
			assert.False(t, l.Account(want), "%q", text)
			if want > 0 {
				l = receive(t, text[:cut], text[cut:])
				assert.True(t, l.Account(want-1), "%q", text)
			}
		}
	}
}

func TestLengthLinesOfSeveralRequests(t *testing.T) {
	const known, chunked = "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	l := receive(t, strings.Repeat(known, 3))
	for range 2 {
		assert.True(t, l.Account(1), "those of later requests were received, too")
	}
	assert.False(t, l.Account(1))
	assert.False(t, receive(t, chunked).Account(0))
}

func TestOtherConnectionsCountNothing(t *testing.T) {
	_, peer := pair(t)
	assert.Nil(t, nowait.Lengths(peer))
}
