package httpapi

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// webSocketVersion is the only version of RFC 6455.
const webSocketVersion = "13"

// connect serves GET /ws: it makes all checks of the contract in their order
// and hands over what has passed. Without an upgrade the same checks run, so
// that a browser can learn why its handshake failed.
func (a *api) connect(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	r := c.Request()
	token, _, err := auth.Carrier(r)
	if err != nil {
		return err
	}
	by, err := a.Verifier.Verify(r.Context(), token)
	if err != nil {
		return err
	}
	if _, allowed := a.origin(r); !allowed {
		return notify.Errorf(notify.ErrOrigin, "the origin is not among those allowed to connect")
	}
	if a.Draining() {
		return notify.Errorf(notify.ErrDraining, "connect again, and another node will answer")
	}
	if err := handshake(r); err != nil {
		return err
	}
	a.WebSocket.ServeHTTP(hijackable{c.Response()}, r.WithContext(auth.WithPrincipal(r.Context(), by)))
	return nil
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
	if v := r.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != webSocketVersion {
		return notify.Errorf(notify.ErrUpgrade, "the version of WebSocket must be "+webSocketVersion)
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
