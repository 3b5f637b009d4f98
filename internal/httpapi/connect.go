package httpapi

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// connect serves GET /ws: it hands over what asks for a WebSocket. Without an
// upgrade all other checks have run, so that a browser can learn why its
// handshake failed.
func (a *api) connect(c echo.Context) error {
	if err := handshake(c.Request()); err != nil {
		return err
	}
	a.WebSocket.ServeHTTP(hijackable{c.Response()}, c.Request())
	return nil
}

// eventsPath is the path of event streams.
const eventsPath = "/events"

// stream serves GET /events until the stream ends. Metrics hear of it when it
// begins: it may be long.
func (a *api) stream(c echo.Context) error {
	start := time.Now()
	return a.admitted(func(c echo.Context) error {
		a.Metrics.RequestDone(eventsPath, http.StatusOK, time.Since(start).Seconds())
		a.Events.ServeHTTP(c.Response(), c.Request())
		return nil
	})(c)
}

// handshake returns an error unless r asks for an upgrade as RFC 6455, section
// 4.2.1, has it. An upgrade in HTTP/1.0 is to be ignored (RFC 9110, section
// 7.8).
func handshake(r *http.Request) error {
	if !r.ProtoAtLeast(1, 1) ||
		!lists(r.Header.Values(echo.HeaderConnection), "upgrade") ||
		!lists(r.Header.Values(echo.HeaderUpgrade), "websocket") {
		return notify.Errorf(notify.ErrUpgrade, "all is well, but this asks for no WebSocket")
	}
	if v := r.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != problem.WebSocketVersion {
		return notify.Errorf(notify.ErrUpgrade, "the version of WebSocket must be "+problem.WebSocketVersion)
	}
	if r.ContentLength != 0 {
		return notify.Errorf(notify.ErrMalformed, "a handshake has no body")
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return notify.Errorf(notify.ErrMalformed, "Sec-WebSocket-Key must be there once")
	}
	if nonce, err := base64.StdEncoding.Strict().DecodeString(keys[0]); err != nil || len(nonce) != 16 {
		return notify.Errorf(notify.ErrMalformed, "Sec-WebSocket-Key must be 16 bytes in Base64")
	}
	return nil
}

// lists reports whether the lists of tokens in lines have one that is token,
// whatever its case.
func lists(lines []string, token string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// hijackable is a response that knows when its connection was taken over:
// whoever did so has answered, and nobody else may.
type hijackable struct{ *echo.Response }

func (w hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.Response.Hijack()
	if err == nil {
		w.Status, w.Committed = http.StatusSwitchingProtocols, true
	}
	return conn, rw, err
}
