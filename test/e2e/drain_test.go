package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// begun is a POST /notify of which the service has read the head and half of
// the body, and waits for the rest.
type begun struct {
	t      *testing.T
	conn   net.Conn
	answer *bufio.Reader
	rest   string
}

func (s *service) begin(body string) *begun {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.public)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "POST /notify HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", backend(s.t), len(body))
	require.NoError(s.t, err)
	b := &begun{t: s.t, conn: conn, answer: bufio.NewReader(conn), rest: body[len(body)/2:]}
	require.Equal(s.t, http.StatusContinue, b.read().StatusCode, "it asks for the body once it reads that")
	_, err = io.WriteString(conn, body[:len(body)/2])
	require.NoError(s.t, err)
	return b
}

// finish sends the rest and returns the answer.
func (b *begun) finish() answer {
	b.t.Helper()
	_, err := io.WriteString(b.conn, b.rest)
	require.NoError(b.t, err)
	return b.read()
}

func (b *begun) read() answer {
	b.t.Helper()
	resp, err := http.ReadResponse(b.answer, nil)
	require.NoError(b.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return answer{resp, body}
}

// A request of which a part has come when the stop begins is waited for,
// answered, and meant.
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
	}, patience, 10*time.Millisecond, "it takes new connections")

	a := request.finish()
	assert.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	require.NoError(t, <-stopped)
	s.run()
	p := s.connect("ada", "earliest")
	f := p.read()
	assert.Equal(t, "in two halves", f.text("title"))
	assert.Equal(t, a.json(t)["id"], f.Data["id"])
}

// The clients of a service that stops do not all come to the next at once.
func TestDrainIsSpread(t *testing.T) {
	const most = 30
	s := start(t, func(c *config.Config) { c.DrainWindow, c.ConnectionsPerUser = 3*time.Second, most })
	conns := make([]*connection, most)
	for i := range conns {
		conns[i] = s.live("ada")
	}
	n, err := s.connections()
	require.NoError(t, err)
	require.Equal(t, most, n)
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()

	between := map[int]bool{} // readings while some had gone and some had not
	require.Eventually(t, func() bool {
		n, err := s.connections()
		if err == nil && 0 < n && n < most {
			between[n] = true
		}
		return err != nil || n == 0
	}, patience, 10*time.Millisecond)
	assert.GreaterOrEqual(t, len(between), 2, "all went together: %v", between)
	for _, c := range conns {
		code, _, _ := c.closed()
		assert.Equal(t, 1012, code)
	}
	assert.NoError(t, <-stopped)
}

var openConnections = regexp.MustCompile(`(?m)^bellhop_connections (\d+)$`)

// connections returns how many connections /metrics counts. The error is that
// nobody answers.
func (s *service) connections() (int, error) {
	resp, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	m := openConnections.FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("no bellhop_connections in %s", b)
	}
	return strconv.Atoi(string(m[1]))
}
