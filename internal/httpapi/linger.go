package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Bounds on reading the rest of a body on which the answer does not depend. A
// client that writes everything before it reads would never see an answer that is
// followed by a reset, so the rest is read for a moment after the answer was sent.
const (
	arrivedWithin = 10 * time.Millisecond // a rest that takes longer has not arrived
	arrivedMost   = maxOtherBody
	lingerFor     = time.Second
	lingerMost    = 8 << 20
)

// unreadBody marks a request whose answer is sent before its body has arrived.
const unreadBody = "the body has not arrived"

// dismissBody prepares an answer that does not depend on the rest of the body.
// If the rest has arrived, the connection is kept. Otherwise the answer is not
// to wait for it, and the connection is closed after lingerOn. A body that the
// client holds back is not asked for.
func dismissBody(c echo.Context) {
	r := c.Request()
	if !hasBody(r) || r.ProtoMajor != 1 || c.Response().Committed || c.Get(unreadBody) != nil {
		return // net/http resets a stream of HTTP/2
	}
	if !isHeldBack(c) && hasArrived(http.NewResponseController(c.Response()), r.Body) {
		return
	}
	closeAfter(c)
}

// closeAfter has the connection closed after the answer, which does not wait for
// the rest of the body.
func closeAfter(c echo.Context) {
	c.Set(unreadBody, true)
	c.Response().Header().Set(echo.HeaderConnection, "close") // then net/http does not read before it answers
}

// hasArrived reads the rest of a small body that has arrived, and reports whether
// it has. The deadline must not pass while net/http already waits for the next
// request, whose context it would cancel.
func hasArrived(control *http.ResponseController, body io.Reader) bool {
	deadline := time.Now().Add(arrivedWithin)
	if control.SetReadDeadline(deadline) != nil {
		return false
	}
	_, err := io.CopyN(io.Discard, body, arrivedMost+1)
	return errors.Is(err, io.EOF) && control.SetReadDeadline(time.Time{}) == nil && time.Now().Before(deadline)
}

// lingerOn sends the answer of a request whose body was dismissed, and then reads
// what still comes of the body, for a bounded time and number of bytes.
func lingerOn(c echo.Context) {
	if c.Get(unreadBody) == nil {
		return
	}
	control := http.NewResponseController(c.Response())
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerFor)) != nil {
		return // the client has gone
	}
	_, _ = io.CopyN(io.Discard, c.Request().Body, lingerMost)
}

// hasBody reports whether there is more to read of r: readJSON takes away the
// body that it has read.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
