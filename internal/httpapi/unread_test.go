package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A refusal that does not depend on the body is sent although the body never
// comes, and then the connection is closed: this test would hang otherwise.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		request string
		want    int
	}{
		"no token":              {"POST /notify HTTP/1.1\r\nContent-Length: 100\r\n", 401},
		"no token, chunked":     {"POST /notify/batch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", 401},
		"a claim of 10^12":      {"POST /inbox/read HTTP/1.1\r\nAuthorization: Bearer good\r\nContent-Length: 1000000000000\r\n", 413},
		"the same to publish":   {"POST /notify HTTP/1.1\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n", 413},
		"no such path":          {"POST /nowhere HTTP/1.1\r\nContent-Length: 100\r\n", 404},
		"no such method":        {"PUT /notify HTTP/1.1\r\nContent-Length: 100\r\n", 405},
		"no scope":              {"DELETE /users/ada/connections HTTP/1.1\r\nAuthorization: Bearer good\r\nContent-Length: 100\r\n", 403},
		"the old version":       {"POST /notify HTTP/1.0\r\nContent-Length: 100\r\n", 401},
		"a body without effect": {"GET /livez HTTP/1.1\r\nContent-Length: 100\r\n", 200},
		"a preflight":           {"OPTIONS /notify HTTP/1.1\r\nOrigin: " + page + "\r\nAccess-Control-Request-Method: POST\r\nContent-Length: 100\r\n", 204},
		"held back":             {"POST /notify HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n", 401},
		"without effect, too":   {"GET /livez HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n", 200},
		"not held back, if old": {"POST /notify HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 100\r\n", 401},
		"a bad handshake":       {"GET /ws HTTP/1.1\r\nAuthorization: Bearer good\r\nTransfer-Encoding: chunked\r\n", 426},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for the end of its connection
			conn := s.dial(t)
			_, err := io.WriteString(conn, test.request+"Host: x\r\n\r\n1")
			require.NoError(t, err)
			r := bufio.NewReader(conn)
			answer, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			require.Equal(t, test.want, answer.StatusCode)
			require.True(t, answer.Close)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, err)
			_, err = r.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

// A refusal keeps the connection if the body has arrived with the head.
func TestARefusalKeepsTheConnectionIfTheBodyHasArrived(t *testing.T) {
	s := start(t)
	requests := []struct {
		request string
		want    int
	}{
		{"POST /notify HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 401},
		{"POST /notify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 401},
		{"GET /livez HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 200},
		{"POST /notify HTTP/1.1\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", 422},
		{"POST /notify HTTP/1.1\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\nContent-Length: " +
			fmt.Sprintf("%d\r\n\r\n%s", len(toAda), toAda), 202},
	}
	eventually(t, func() bool { // a body that a busy machine reads late counts as not there
		conn := s.dial(t)
		r := bufio.NewReader(conn)
		for _, test := range requests {
			_, err := io.WriteString(conn, strings.Replace(test.request, "\r\n", "\r\nHost: x\r\n", 1))
			if err != nil {
				return false
			}
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				return false
			}
			require.Equal(t, test.want, answer.StatusCode)
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, err)
		}
		return true
	})
}

// A client that reads no answer before it has written its whole body still
// receives the refusal.
func TestARefusalReachesAClientThatWritesItsBodyFirst(t *testing.T) {
	s := start(t)
	conn := begin(t, s, "/notify/batch", 1<<20)
	_, err := io.WriteString(conn, strings.Repeat(" ", 1<<20))
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, 401, answer.StatusCode)
}
