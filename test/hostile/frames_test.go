package hostile

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// frameCase has the bytes that a client sends on an open WebSocket, and the frames that
// it receives. The names begin with the number of the case, or of a similar case, in the
// Autobahn test suite.
type frameCase struct {
	name       string
	send       string
	want       []string // in the words of socket.next; without a close, the connection must stay usable
	byteByByte bool     // send single bytes, so that frame headers arrive in parts
	disconnect bool     // the client disconnects after sending
}

// violation returns a case that the service closes with 1002, protocol error.
func violation(name, send string) frameCase {
	return frameCase{name: name, send: send, want: closes("1002")}
}

func closes(code string) []string { return []string{"close " + code} }

func replies(n int) []string { return slices.Repeat([]string{"reply 7"}, n) }

// TestFrames sends each case on a new connection to one service.
func TestFrames(t *testing.T) {
	s := start(t)
	for _, c := range slices.Concat(
		framing(), pings(), reserved(), opcodes(), fragments(), texts(), closings(), sizes(), others(),
	) {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, s)
			s.undisturbed(t)
		})
	}
	require.NotContains(t, s.log.String(), "panic")
}

func (c frameCase) run(t *testing.T, s *service) {
	conn := s.live(t, "mallory")
	defer conn.Close()
	for part := range slices.Chunk([]byte(c.send), c.step()) {
		conn.put(string(part))
	}
	if c.disconnect {
		return
	}
	var got []string
	ends := len(c.want) > 0 && strings.HasPrefix(c.want[len(c.want)-1], "close")
	if !ends { // the connection must have survived
		conn.put(one(opText, `{"event":"ping","ref":"probe"}`))
	}
	for {
		word := conn.next(t)
		if word == "reply probe" && !ends {
			break
		}
		got = append(got, word)
		if word == "end" || strings.HasPrefix(word, "close") {
			break
		}
	}
	require.Equal(t, c.want, got)
	if ends { // no frame follows the close
		conn.closeWrite()
		require.Equal(t, "end", conn.next(t))
	}
}

// step returns the number of bytes to write at a time.
func (c frameCase) step() int {
	if c.byteByByte {
		return 1
	}
	return max(1, len(c.send))
}
