package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// Promise 6: a stop finishes requests, lets connections go, and exits 0.

func serving(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=1"}}
	p.start()
	require.Equal(t, http.StatusAccepted, p.tell(0).StatusCode)
	return p
}

// TestStopWithOpenConnections stops the process while clients are connected,
// one of which neither reads nor answers.
func TestStopWithOpenConnections(t *testing.T) {
	p := serving(t)
	watchers := make([]*watcher, 10)
	for i := range watchers {
		watchers[i] = p.watch("earliest")
		watchers[i].until(t, 1)
	}
	p.watch("earliest") // and says nothing
	codes := make(chan int, len(watchers))
	for _, w := range watchers {
		go func() { codes <- w.closed() }()
	}
	code, said := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	for range watchers {
		require.Equal(t, 1012, <-codes)
	}
	p.start()
	require.Equal(t, []int{0}, p.history()[0])
}

// closed reads until the connection is closed and returns the code, 0 if there
// was none.
func (w *watcher) closed() int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := w.ws.Read(ctx)
		var closed websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return int(closed.Code)
		case err != nil:
			return 0
		}
	}
}

// TestStopWithARequestUnderWay stops the process when it has read half of a
// request. The other half comes when it does not listen any more.
func TestStopWithARequestUnderWay(t *testing.T) {
	p := serving(t)
	request := p.begin(note(1))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return !p.listens() }, patience, 10*time.Millisecond, "it listens")
	require.True(t, p.alive(), "it does not wait for the request")

	_, err := io.WriteString(request, request.rest)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, request.status())
	code, said := p.wait(t)
	require.Zero(t, code, said)
	p.start()
	require.Equal(t, []int{0, 1}, p.history()[0])
}

// TestStopWithAStalledRequest stops the process when it has read half of a
// request and no more comes: that is the client's failure, not the service's.
func TestStopWithAStalledRequest(t *testing.T) {
	p := serving(t)
	p.begin(note(1))
	code, said := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	p.start()
	require.Equal(t, []int{0}, p.history()[0])
}

// begun is a POST of which the service has read the head and half of the body.
type begun struct {
	net.Conn
	t      *testing.T
	answer *bufio.Reader
	rest   string
}

func (p *process) begin(body string) *begun {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	require.NoError(p.t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "POST /notify HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		token(p.t, "backend", notify.ScopePublish), len(body))
	require.NoError(p.t, err)
	b := &begun{Conn: conn, t: p.t, answer: bufio.NewReader(conn), rest: body[len(body)/2:]}
	require.Equal(p.t, http.StatusContinue, b.status(), "it asks for the body once it reads that")
	_, err = io.WriteString(conn, body[:len(body)/2])
	require.NoError(p.t, err)
	return b
}

// status returns the status of the next answer.
func (b *begun) status() int {
	b.t.Helper()
	resp, err := http.ReadResponse(b.answer, nil)
	return read(b.t, resp, err).StatusCode
}
