package hostile

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// endCase has requests that are written together on one connection, the responses to
// them, and whether the service then closes the connection.
type endCase struct {
	name   string
	send   string
	want   []string
	closed bool
}

// TestRequestSmuggling writes requests whose end a proxy may see elsewhere than the
// service does. Such a request is answered, and the bytes after it are not read as another
// request.
func TestRequestSmuggling(t *testing.T) {
	s, _ := startRestricted(t)
	fill := strings.NewReplacer("{token}", s.backend(), "{draft}", draft)
	for _, c := range requestEnds() {
		t.Run(c.name, func(t *testing.T) {
			conn := s.dial(t)
			defer conn.Close()
			conn.put(fill.Replace(c.send))
			for _, want := range c.want {
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(timeout)))
				resp, err := http.ReadResponse(conn.r, &http.Request{Method: http.MethodGet})
				require.NoError(t, err)
				require.Equal(t, want, statusWords(t, resp))
			}
			if !c.closed {
				conn.put("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
				word, _ := conn.response(t)
				require.Equal(t, "200", word)
				return
			}
			_, err := conn.r.ReadByte()
			require.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), "%v", err)
		})
	}
	s.undisturbed(t)
}

func requestEnds() []endCase {
	const (
		length  = "Content-Length: " + lengthOfDraft + "\r\n"
		coding  = "Transfer-Encoding: chunked\r\n"
		body    = "26\r\n{draft}\r\n0\r\n\r\n"
		next    = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
		nothing = "0\r\n\r\n"
	)
	old := func(lines string) string {
		return strings.Replace(publishing(lines), "HTTP/1.1", "HTTP/1.0", 1)
	}
	twice := strings.Repeat(publishing(coding)+body, 2)
	return []endCase{
		{"length and coding", publishing(length, coding) + body + next, []string{"202"}, true},
		{"coding and length", publishing(coding, length) + body + next, []string{"202"}, true},
		{"length in lower case", publishing("content-length: 5\r\n", coding) + body + next, []string{"202"}, true},
		{"length in a folded line", publishing("Content-Length:\r\n 5\r\n", coding) + body + next, []string{"202"}, true},
		{"length twice and coding", publishing(length, length, coding) + body + next, []string{"202"}, true},
		{"length and coding, after a length", publishing(length) + "{draft}" + publishing(length, coding) + body + next, []string{"202", "202"}, true},
		{"length and coding for GET", "GET /livez HTTP/1.1\r\nHost: x\r\n" + length + coding + "\r\n" + nothing + next, []string{"200"}, true},
		{"length and coding for an unknown path", "POST /nothing HTTP/1.1\r\nHost: x\r\n" + length + coding + "\r\n" + nothing + next, []string{"404 not-found"}, true},
		{"length and coding for OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n" + length + coding + "\r\n" + nothing + next, []string{"404 not-found"}, true},
		{"length and coding for a WebSocket", "GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n" + length + coding + "\r\n" + nothing + next, []string{"426 upgrade"}, true},
		{"length and coding without a token", "POST /notify HTTP/1.1\r\nHost: x\r\n" + length + coding + "\r\n" + body + next, []string{"401 unauthenticated"}, true},
		{"coding in HTTP/1.0", old("Connection: keep-alive\r\n"+coding) + body + next, []string{"400 malformed"}, true},
		{"length and coding in HTTP/1.0", old("Connection: keep-alive\r\n"+length+coding) + "{draft}" + next, []string{"202"}, true},
		{"length in HTTP/1.0", old("Connection: keep-alive\r\n"+length) + "{draft}" + next, []string{"202"}, true},

		{"length", publishing(length) + "{draft}" + next, []string{"202", "200"}, false},
		{"coding", publishing(coding) + body + next, []string{"202", "200"}, false},
		{"coding twice in a row", twice, []string{"202", "202"}, false},
		{"length, then coding", publishing(length) + "{draft}" + twice, []string{"202", "202", "202"}, false},
		{"coding in a folded line", publishing("Transfer-Encoding:\r\n chunked\r\n") + body + next, []string{"202", "200"}, false},
		{"lines that end in a bare LF", strings.ReplaceAll(publishing(length), "\r\n", "\n") + "{draft}" + next, []string{"202", "200"}, false},

		{"bare CR in a header", publishing("X: a\rContent-Length: 5\r\n", length) + "{draft}" + next, []string{"400"}, true},
		{"bare CR before a header", publishing("\rContent-Length: 5\r\n", length) + "{draft}" + next, []string{"400"}, true},
		{"length without a value", publishing("Content-Length:\r\n") + "{draft}" + next, []string{"400"}, true},
		{"coding without a value", publishing("Transfer-Encoding:\r\n") + body + next, []string{"501"}, true},
		{"identity coding", publishing("Transfer-Encoding: identity\r\n", length) + "{draft}" + next, []string{"501"}, true},
		{"space before the colon of a length", publishing("Content-Length : 38\r\n") + "{draft}" + next, []string{"400"}, true},
		{"first header is folded", strings.Replace(publishing(length), "Host", " X: a\r\nHost", 1) + "{draft}" + next, []string{"400"}, true},
		{"chunk whose size ends in a bare LF", publishing(coding) + "26\n{draft}\r\n0\r\n\r\n" + next, []string{"400 malformed"}, true},
		{"chunk whose data end in a bare LF", publishing(coding) + "26\r\n{draft}\n0\r\n\r\n" + next, []string{"400 malformed"}, true},
		{"three hosts, two of them equal", "GET /livez HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" + next, []string{"400"}, true},
	}
}
