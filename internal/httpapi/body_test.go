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
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// begin sends the head of a request whose body has length bytes, and nothing of
// that yet.
func begin(t *testing.T, s *fakeService, path string, length int, headers ...string) net.Conn {
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
func (s *fakeService) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second))) // or a failure would last
	return conn
}

// eventually waits until a condition holds. The condition runs in the goroutine of the
// test, so that it may call require.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for begun := time.Now(); !is(); <-time.After(time.Millisecond) {
		require.Less(t, time.Since(begun), 30*time.Second)
	}
}

// fill sends all but the last byte of some bodies.
func fill(t *testing.T, s *fakeService, path string, length, times int, headers ...string) (slow []net.Conn) {
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

// A client that sends its body only after 100 Continue receives that if its request
// needs the body, and otherwise the refusal alone.
func TestContinueIsSentOnlyIfTheBodyIsNeeded(t *testing.T) {
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

// The refusal of a body says whether the client has closed the connection or sent chunks that are none.
func TestABodyThatDoesNotEnd(t *testing.T) {
	s := start(t)
	for sent, want := range map[string]string{
		"Content-Length: 9\r\n\r\n{":                 "the connection closed before the body was complete",
		"Transfer-Encoding: chunked\r\n\r\n9\r\n{":   "the connection closed before the body was complete",
		"Transfer-Encoding: chunked\r\n\r\nx\r\n{}":  "the chunks of the body are malformed",
		"Transfer-Encoding: chunked\r\n\r\n1\r\n{}x": "the chunks of the body are malformed",
	} {
		conn := s.dial(t)
		_, err := io.WriteString(conn, "POST /notify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n"+sent)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		read, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(read.Body)
		require.NoError(t, err)
		read.Body.Close()
		require.Equal(t, 400, read.StatusCode)
		require.Contains(t, string(body), want, "%q", sent)
	}
}

// padded returns a body with white space behind it, length bytes in all.
func padded(body string, length int) string { return body + strings.Repeat(" ", length-len(body)) }

// Bodies of one principal that never end take its share of the memory, and nothing of
// the shares of others at the same address. Unauthenticated bodies are preempted by
// newer ones.
func TestMemoryForBodiesIsShared(t *testing.T) {
	signed := []string{"Authorization", "", "webhook-id", "good", "webhook-timestamp", "1", "webhook-signature", "v1,x"}
	stranger := []string{"webhook-id", "bad", "webhook-timestamp", "1", "webhook-signature", "v1,x"}
	for name, test := range map[string]struct {
		path    string
		headers []string
		length  int
		again   int // the answer to one more complete body of the same principal
	}{
		"strangers":   {"/notify", stranger, 512 << 10, 401},
		"a publisher": {"/notify/batch", []string{"Authorization", "Bearer good"}, 4 << 20, 503},
		"a user":      {"/inbox/read", []string{"Authorization", "Bearer good"}, 64 << 10, 503},
		"an operator": {"/revocations", []string{"Authorization", "Bearer admin"}, 64 << 10, 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *httpapi.Options) { o.BodyBytes = 32 << 20 })
			s.publisher.results = []service.Result{{Receipt: notify.Receipt{ID: id, Recipients: 1}}}
			post := func(path, body string, headers ...string) int {
				return s.do("POST", path, padded(body, 4<<10), headers...).StatusCode
			}
			bodies := map[string]string{"/notify": toAda, "/notify/batch": `{"notifications":[` + toAda + `]}`, "/inbox/read": `{"all":true}`, "/revocations": `{"jti":"a"}`}
			again := func() int {
				headers := append([]string{"Authorization", ""}, test.headers...)
				return s.do("POST", test.path, padded(bodies[test.path], test.length), headers...).StatusCode
			}
			slow := fill(t, s, test.path, test.length, 300<<20/8/test.length, test.headers...)
			eventually(t, func() bool { return again() == test.again })
			require.Equal(t, 202, post("/notify", toAda, signed...))
			require.Equal(t, 202, post("/notify", toAda, "Authorization", "Bearer bhk_key"))
			require.Equal(t, 200, post("/inbox/read", `{"all":true}`, "Authorization", "Bearer grace"))
			require.Equal(t, 204, post("/revocations", `{"jti":"a"}`, "Authorization", "Bearer admin2"))
			hangUp(slow)
			eventually(t, func() bool { return again() < 300 || test.again == 401 })
		})
	}
}

// The announced length of a body takes no memory: that is for bytes that have arrived.
func TestAnAnnouncedLengthTakesNoMemory(t *testing.T) {
	s := start(t, func(o *httpapi.Options) { o.BodyBytes = 1 })
	s.publisher.results = []service.Result{{Receipt: notify.Receipt{ID: id, Recipients: 1}}}
	for range 50 {
		begin(t, s, "/notify/batch", 4<<20, "Authorization", "Bearer good")
	}
	require.Equal(t, 202, s.do("POST", "/notify/batch", `{"notifications":[`+toAda+`]}`+strings.Repeat(" ", 3<<20)).StatusCode)
}

// An unauthenticated body that is preempted by a newer one is answered with 503.
func TestAPreemptedBodyIsAnswered(t *testing.T) {
	s := start(t, func(o *httpapi.Options) { o.BodyBytes = 1 })
	stranger := []string{"webhook-id", "bad", "webhook-timestamp", "1", "webhook-signature", "v1,x"}
	oldest := fill(t, s, "/notify", 512<<10, 1, stranger...)[0]
	answered := make(chan int, 1)
	go func() {
		defer close(answered)
		if answer, err := http.ReadResponse(bufio.NewReader(oldest), nil); err == nil {
			answered <- answer.StatusCode
			answer.Body.Close()
		}
	}()
	for {
		select {
		case status := <-answered:
			require.Equal(t, 503, status)
			return
		default:
			fill(t, s, "/notify", 512<<10, 1, stranger...)
		}
	}
}

// TestDepth nests a body as deep as is allowed, and one level deeper.
func TestDepth(t *testing.T) {
	for depth, s := range map[int]*fakeService{32: start(t), 40: start(t, func(o *httpapi.Options) { o.Depth = func() int { return 40 } })} {
		body := func(levels int) string { // of which the body itself is one
			return `{"to":{"users":["ada"]},"type":"t","data":` + strings.Repeat(`{"{":`, levels-1) + `"[\"["` + strings.Repeat("}", levels)
		}
		require.Equal(t, 202, s.do("POST", "/notify", body(depth)).StatusCode)
		s.problem(s.do("POST", "/notify", body(depth+1)), 400, "malformed")
	}
}
