package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Bounds on reading the rest of a body that the answer does not depend on. A client
// that writes its whole body before it reads would lose an answer that a TCP reset
// follows, so the server sends the answer and then reads for a while longer.
const (
	arrivedWithin = 10 * time.Millisecond // a rest that takes longer has not arrived
	maxArrived    = maxOtherBody
	discardFor    = time.Second
	maxDiscarded  = 8 << 20
)

// bodyUnread is the key of requests whose answer is sent before their body has arrived.
const bodyUnread = "body unread"

// skipBody prepares an answer that does not depend on the rest of the body. The
// connection is kept if the rest has arrived. Otherwise the answer does not wait for
// the rest, and the connection is closed after discardRest. A client that awaits 100
// Continue does not receive it.
func skipBody(c echo.Context) {
	r := c.Request()
	if !hasBody(r) || r.ProtoMajor != 1 || c.Response().Committed || c.Get(bodyUnread) != nil {
		return // net/http resets a stream of HTTP/2 by itself
	}
	if !awaitsContinue(c) && hasArrived(http.NewResponseController(c.Response()), r.Body) {
		return
	}
	closeAfter(c)
}

// closeAfter closes the connection after the answer, which does not wait for the rest
// of the body: net/http reads that before it answers unless the header says "close".
func closeAfter(c echo.Context) {
	c.Set(bodyUnread, true)
	c.Response().Header().Set(echo.HeaderConnection, "close")
}

// hasArrived reads the rest of a small body, and reports whether it had arrived. The
// deadline must not pass once net/http waits for the next request, because it would
// cancel the context of that one.
func hasArrived(control *http.ResponseController, body io.Reader) bool {
	deadline := time.Now().Add(arrivedWithin)
	if control.SetReadDeadline(deadline) != nil {
		return false
	}
	_, err := io.CopyN(io.Discard, body, maxArrived+1)
	return errors.Is(err, io.EOF) && control.SetReadDeadline(time.Time{}) == nil && time.Now().Before(deadline)
}

// discardRest sends the answer to a request whose body is unread, and then reads the
// body, for a bounded time and number of bytes.
func discardRest(c echo.Context) {
	if c.Get(bodyUnread) == nil {
		return
	}
	control := http.NewResponseController(c.Response())
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(discardFor)) != nil {
		return // the client has gone
	}
	_, _ = io.CopyN(io.Discard, c.Request().Body, maxDiscarded)
}

// hasBody reports whether r has a body that readJSON has not read.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
