package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
)

// begin sends the head of a request whose body has length bytes, and nothing of
// that yet.
func begin(t *testing.T, s *service, path string, length int, headers ...string) net.Conn {
	t.Helper()
	conn := s.dial(t)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", path, length)
	if !slices.Contains(headers, "Content-Type") {
		headers = append(headers, "Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		head += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	_, err := io.WriteString(conn, head+"\r\n")
	require.NoError(t, err)
	return conn
}

// dial opens a connection to the service.
func (s *service) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second))) // or a failure would last
	return conn
}

// eventually waits for what must come. The condition is asked for here, and not
// beside the test: it may fail by itself.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for begun := time.Now(); !is(); <-time.After(time.Millisecond) {
		require.Less(t, time.Since(begun), 30*time.Second)
	}
}

// fill sends all but the last byte of some bodies.
func fill(t *testing.T, s *service, path string, length, times int, headers ...string) (slow []net.Conn) {
	t.Helper()
	for range times {
		conn := begin(t, s, path, length, headers...)
		_, err := io.WriteString(conn, strings.Repeat(" ", length-1))
		require.NoError(t, err)
		slow = append(slow, conn)
	}
	return slow
}

func hangUp(all []net.Conn) {
	for _, conn := range all {
		conn.Close()
	}
}

// TestABodyThatIsHeldBack sends none before it is asked for: for a request that
// is refused, it is not.
func TestABodyThatIsHeldBack(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		authorization string
		path          string
		length        int
		want          int
	}{
		"no token":  {"", "/notify", 100, 401},
		"bad token": {"Bearer bad", "/notify/batch", 4 << 20, 401},
		"no scope":  {"Bearer admin", "/notify", 100, 403},
		"too large": {"Bearer good", "/tickets", 4 << 20, 413},
		"no such":   {"Bearer good", "/nowhere", 100, 404},
		"bad type":  {"Bearer good", "/notify", 100, 415},
	} {
		t.Run(name, func(t *testing.T) {
			conn := begin(t, s, test.path, test.length, "Expect", "100-continue", "Authorization", test.authorization, "Content-Type", "text/plain")
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer answer.Body.Close()
			require.Equal(t, test.want, answer.StatusCode)
		})
	}
	conn := begin(t, s, "/notify", len(toAda), "Expect", "100-continue", "Authorization", "Bearer good")
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusContinue, answer.StatusCode)
	_, err = io.WriteString(conn, toAda)
	require.NoError(t, err)
	answer, err = http.ReadResponse(r, nil)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
}

// TestRoomForBodies holds that bodies which never end take no more room than
// there is, and none from others: what is signed but not known, a user's own,
// and a publisher's.
func TestRoomForBodies(t *testing.T) {
	signed := []string{"webhook-id", "good", "webhook-timestamp", "1", "webhook-signature", "v1,x"}
	admin, good := []string{"Authorization", "Bearer admin"}, []string{"Authorization", "Bearer good"}
	for name, test := range map[string]struct {
		path    string
		headers []string
		length  int
		slow    int // of so many bodies the last byte never comes: then there is no room for one more
	}{
		"signed":     {"/notify", signed, 512 << 10, 2},
		"publishing": {"/notify/batch", good, 4 << 20, 1},
		"others":     {"/revocations", admin, 64 << 10, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *httpapi.Options) { o.BodyBytes = 1 })
			post := func(path, body string, headers []string) int {
				return s.do("POST", path, body, append([]string{"Authorization", ""}, headers...)...).StatusCode
			}
			var slow []net.Conn
			for range 50 { // a claim takes hardly any room
				slow = append(slow, begin(t, s, test.path, test.length, test.headers...))
			}
			ones := map[string]func() int{
				"signed":     func() int { return post("/notify", toAda, signed) },
				"publishing": func() int { return post("/notify", toAda, good) },
				"others":     func() int { return post("/revocations", `{"jti":"a"}`, admin) },
			}
			for _, one := range ones {
				require.Less(t, one(), 300)
			}
			hangUp(slow)
			eventually(t, func() bool { return len(s.metrics.all()) == 50+len(ones) }) // they have given it back
			slow = nil
			tries := 0
			eventually(t, func() bool {
				if tries%200 == 0 { // again, for one of ours may have been in the way
					hangUp(slow)
					slow = fill(t, s, test.path, test.length, test.slow, test.headers...)
				}
				tries++
				return ones[name]() == 503
			})
			for other, one := range ones {
				if other != name {
					require.Less(t, one(), 300, other)
				}
			}
			hangUp(slow)
			eventually(t, func() bool { return ones[name]() < 300 })
		})
	}
}

// TestDepth nests a body as deep as may be, and one level deeper.
func TestDepth(t *testing.T) {
	for depth, s := range map[int]*service{32: start(t), 40: start(t, func(o *httpapi.Options) { o.Depth = 40 })} {
		body := func(levels int) string { // of which the body itself is one
			return `{"to":{"users":["ada"]},"type":"t","data":` + strings.Repeat(`{"{":`, levels-1) + `"[\"["` + strings.Repeat("}", levels)
		}
		require.Equal(t, 202, s.do("POST", "/notify", body(depth)).StatusCode)
		s.problem(s.do("POST", "/notify", body(depth+1)), 400, "malformed")
	}
}
