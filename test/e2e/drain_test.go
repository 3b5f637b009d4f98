package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// halfSent is a POST /notify of which the service has read the header and half of
// the body.
type halfSent struct {
	t      *testing.T
	conn   net.Conn
	answer *bufio.Reader
	rest   string
}

func (s *service) begin(body string) *halfSent {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.public)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(timeout)))
	_, err = fmt.Fprintf(conn, "POST /notify HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", backend(s.t), len(body))
	require.NoError(s.t, err)
	b := &halfSent{t: s.t, conn: conn, answer: bufio.NewReader(conn), rest: body[len(body)/2:]}
	require.Equal(s.t, http.StatusContinue, b.read().StatusCode, "100 Continue shows that the service reads the body")
	_, err = io.WriteString(conn, body[:len(body)/2])
	require.NoError(s.t, err)
	return b
}

// finish sends the rest of the body and returns the response.
func (b *halfSent) finish() response {
	b.t.Helper()
	_, err := io.WriteString(b.conn, b.rest)
	require.NoError(b.t, err)
	return b.read()
}

func (b *halfSent) read() response {
	b.t.Helper()
	resp, err := http.ReadResponse(b.answer, nil)
	require.NoError(b.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return response{resp, body}
}

// A request that has arrived in part when the shutdown begins is read to its end
// and answered, and its notification is stored.
func TestStopFinishesRequests(t *testing.T) {
	s := start(t)
	request := s.begin(draft(t, "in two halves", "ada"))
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", s.public)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, timeout, 10*time.Millisecond, "a stopping service still accepts connections")

	a := request.finish()
	assert.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	require.NoError(t, <-stopped)
	s.run()
	p := s.connect("ada", "earliest")
	f := p.read()
	assert.Equal(t, "in two halves", f.text("title"))
	assert.Equal(t, a.json(t)["id"], f.Data["id"])
}

// The drain window spreads the reconnects of clients. The shutdown itself does not
// wait for its end.
func TestDrainDoesNotLastForTheWindow(t *testing.T) {
	const most = 30
	s := start(t, func(c *config.Config) { c.DrainWindow, c.ConnectionsPerUser = time.Hour, most })
	conns := make([]*connection, most)
	for i := range conns {
		conns[i] = s.live("ada")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	for _, c := range conns {
		code, reason, event := c.closed()
		assert.Equal(t, 1012, code)
		assert.Equal(t, "restart window=3600", reason)
		assert.EqualValues(t, 3600, event.Data["after"])
	}
	assert.NoError(t, <-stopped)
}
