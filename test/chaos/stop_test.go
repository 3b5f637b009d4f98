//go:build linux

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

// The tests in this file check promise 6: a shutdown finishes requests, closes
// connections, and exits with 0.

func serving(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=1"}}
	p.start()
	require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
	return p
}

// TestStopWithOpenConnections stops the process while clients are connected. One of them
// neither reads nor responds.
func TestStopWithOpenConnections(t *testing.T) {
	p := serving(t)
	watchers := make([]*watcher, 10)
	for i := range watchers {
		watchers[i] = p.watch("earliest")
		watchers[i].until(t, 1)
	}
	p.watch("earliest") // neither reads nor responds
	codes := make(chan int, len(watchers))
	for _, w := range watchers {
		go func() { codes <- w.closed() }()
	}
	code, output := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
	for range watchers {
		require.Equal(t, 1012, <-codes)
	}
	p.start()
	require.Equal(t, []int{0}, p.history()[0])
}

// closed reads until the connection is closed and returns the close code, or 0 without
// a close frame.
func (w *watcher) closed() int {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
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

// TestStopWithARequestUnderWay stops the process when it has read half of a request.
// The other half arrives after the listener has been closed.
func TestStopWithARequestUnderWay(t *testing.T) {
	p := serving(t)
	request := p.begin(numbered(1))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return !p.listens() }, timeout, 10*time.Millisecond, "the process still listens")
	require.True(t, p.alive(), "the process does not wait for the request")

	_, err := io.WriteString(request, request.rest)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, request.status())
	code, output := p.wait(t)
	require.Zero(t, code, output)
	p.start()
	require.Equal(t, []int{0, 1}, p.history()[0])
}

// TestStopWithAStalledRequest stops the process when it has read half of a request
// whose rest never arrives. The process still exits with 0, because the client is at
// fault.
func TestStopWithAStalledRequest(t *testing.T) {
	p := serving(t)
	p.begin(numbered(1))
	code, output := p.end(t, syscall.SIGTERM)
	require.Zero(t, code, output)
	p.start()
	require.Equal(t, []int{0}, p.history()[0])
}

// halfSent is a POST of which the service has read the header and half of the body.
type halfSent struct {
	net.Conn
	t    *testing.T
	r    *bufio.Reader
	rest string
}

func (p *process) begin(body string) *halfSent {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	require.NoError(p.t, conn.SetDeadline(time.Now().Add(timeout)))
	_, err = fmt.Fprintf(conn, "POST /notify HTTP/1.1\r\nHost: bellhop\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		token(p.t, "backend", notify.ScopePublish), len(body))
	require.NoError(p.t, err)
	b := &halfSent{Conn: conn, t: p.t, r: bufio.NewReader(conn), rest: body[len(body)/2:]}
	require.Equal(p.t, http.StatusContinue, b.status(), "100 Continue shows that the service reads the body")
	_, err = io.WriteString(conn, body[:len(body)/2])
	require.NoError(p.t, err)
	return b
}

// status returns the status of the next response.
func (b *halfSent) status() int {
	b.t.Helper()
	resp, err := http.ReadResponse(b.r, nil)
	return read(b.t, resp, err).StatusCode
}
