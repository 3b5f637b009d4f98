package httpapi

import (
	"bufio"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// Admitter admits connections within their limits: package hub.
type Admitter interface {
	// Admit returns an error of kind ErrLimit, ErrUnavailable or ErrDraining if no
	// connection may be opened from this address now.
	Admit(address netip.Addr) (*hub.Slot, error)
}

// admitted serves callers that may open a connection. The request's context has the
// principal and the slot. The order of the checks is part of the API: credential,
// origin, query, limits, draining.
func (a *api) admitted(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		r := c.Request()
		by, err := a.identify(r)
		if err != nil {
			return err
		}
		slot, err := a.admissible(c, by)
		if err != nil {
			return &refusal{err, by}
		}
		defer slot.Release() // does nothing if a connection has taken it
		c.SetRequest(r.WithContext(hub.WithSlot(auth.WithPrincipal(r.Context(), by), slot)))
		return h(c)
	}
}

// admissible returns a slot for the connection that by requests.
func (a *api) admissible(c echo.Context, by notify.Principal) (*hub.Slot, error) {
	r := c.Request()
	if _, allowed := a.origin(r); !allowed {
		return nil, auth.RefusedOrigin(r.Header[echo.HeaderOrigin])
	}
	if _, err := readQuery(r.URL.RawQuery, "cursor", "ticket"); err != nil {
		return nil, err
	}
	return a.admit(by, address(c))
}

// identify returns the user that connects. A ticket is used up here, even if a later
// check fails.
func (a *api) identify(r *http.Request) (notify.Principal, error) {
	credential, err := auth.Carrier(r)
	if err != nil {
		return notify.Principal{}, err
	}
	if credential.Ticket != "" {
		ctx, cancel := context.WithTimeout(r.Context(), accessTimeout)
		defer cancel()
		return a.Service.RedeemTicket(ctx, credential.Ticket)
	}
	by, err := a.Verifier.Verify(r.Context(), credential.Token)
	if err == nil && by.User == "" {
		err = notify.TokenInvalid(notify.CauseUser, "an API key cannot connect; use the token of a user")
	}
	return by, err
}

// admit applies the limits of an address, of a principal and of this process.
func (a *api) admit(by notify.Principal, from netip.Addr) (*hub.Slot, error) {
	if err := a.Handshakes.Allow(limit.AddressKey(from), 1); err != nil {
		return nil, err
	}
	if err := a.Requests.Allow(by); err != nil {
		return nil, err
	}
	return a.Admitter.Admit(from)
}

// connect serves GET /ws. All other checks run before that of the handshake, so that a
// browser, which cannot read the answer to a refused handshake, can learn the reason
// from a request without an upgrade.
func (a *api) connect(c echo.Context) error {
	if err := checkHandshake(c.Request()); err != nil {
		return err
	}
	a.WebSocket.ServeHTTP(a.reports.response(c), c.Request())
	return nil
}

// checkHandshake returns an error unless r asks for an upgrade as RFC 6455, section
// 4.2.1, requires. An upgrade in HTTP/1.0 is ignored (RFC 9110, section 7.8).
func checkHandshake(r *http.Request) error {
	if !r.ProtoAtLeast(1, 1) ||
		!hasToken(r.Header.Values(echo.HeaderConnection), "upgrade") ||
		!hasToken(r.Header.Values(echo.HeaderUpgrade), "websocket") {
		return notify.Errorf(notify.ErrUpgrade, "the request passed all other checks but is not a WebSocket handshake: it needs Connection: Upgrade and Upgrade: websocket")
	}
	if v := r.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != problem.WebSocketVersion {
		return notify.Errorf(notify.ErrUpgrade, "Sec-WebSocket-Version must be "+problem.WebSocketVersion)
	}
	if r.ContentLength != 0 {
		return notify.Errorf(notify.ErrMalformed, "a WebSocket handshake must not have a body")
	}
	keys := r.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return notify.Errorf(notify.ErrMalformed, "there must be exactly one Sec-WebSocket-Key header")
	}
	if nonce, err := base64.StdEncoding.Strict().DecodeString(keys[0]); err != nil || len(nonce) != 16 {
		return notify.Errorf(notify.ErrMalformed, "Sec-WebSocket-Key must be 16 bytes in Base64")
	}
	return nil
}

// hasToken reports whether the comma-separated lists in lines contain token, in any
// case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// Hijack makes the response count as answered.
func (w response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.Response.Hijack()
	if err == nil {
		w.Status, w.Committed = http.StatusSwitchingProtocols, true
	}
	return conn, rw, err
}

// eventsPath is the path of event streams.
const eventsPath = "/events"

// stream serves GET /events until the stream ends. It is reported to metrics when it
// opens, because it may last for days.
func (a *api) stream(c echo.Context) error {
	start := time.Now()
	return a.admitted(func(c echo.Context) error {
		if err := checkStream(c.Request()); err != nil {
			return err
		}
		a.Metrics.RequestDone(eventsPath, http.StatusOK, time.Since(start).Seconds())
		a.Events.ServeHTTP(a.reports.response(c), c.Request())
		return nil
	})(c)
}

// checkStream returns an error unless r can begin an event stream.
func checkStream(r *http.Request) error {
	if r.ContentLength != 0 {
		return notify.Errorf(notify.ErrMalformed, "a request for an event stream must not have a body")
	}
	if len(r.Header.Values("Last-Event-ID")) > 1 {
		return notify.Errorf(notify.ErrMalformed, "there must be at most one Last-Event-ID header")
	}
	return nil
}
