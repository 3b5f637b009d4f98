package hostile

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// frameCase is what a client sends on an open WebSocket and what it is told.
// The names begin with the number that the Autobahn test suite has for the
// case, or for its neighbours.
type frameCase struct {
	name string
	send string
	want []string // as socket.next words it; without a close the connection is still good
	chop bool     // byte by byte, so that a head comes in parts
	cut  bool     // the client goes away after it
}

// breach is a case that ends in 1002.
func breach(name, send string) frameCase {
	return frameCase{name: name, send: send, want: closes("1002")}
}

func closes(code string) []string { return []string{"close " + code} }

func replies(n int) []string { return slices.Repeat([]string{"reply 7"}, n) }

// TestFrames sends every case on a connection of its own, to one service.
func TestFrames(t *testing.T) {
	s := start(t)
	for _, c := range slices.Concat(
		framing(), pings(), reserved(), opcodes(), fragments(), texts(), closings(), sizes(), others(),
	) {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, s)
			s.unharmed(t)
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
	if c.cut {
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
	if ends { // nothing comes after it
		conn.shut()
		require.Equal(t, "end", conn.next(t))
	}
}

// step is how many bytes are written at a time.
func (c frameCase) step() int {
	if c.chop {
		return 1
	}
	return max(1, len(c.send))
}
