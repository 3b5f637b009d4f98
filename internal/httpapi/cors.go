package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Headers that pages of an allowed origin may send and read. Tracing libraries add
// Traceparent and Tracestate to requests, which a browser refuses to send if they are not
// listed. Date is for devices whose clock is wrong.
const (
	corsMethods = "GET, POST, PUT, DELETE"
	corsRequest = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id, Traceparent, Tracestate"
	corsExposed = "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Date"
	corsMaxAge  = "600" // seconds
)

// cors sets the headers that let pages of an allowed origin read the answer, and
// reports whether the request is a preflight, which asks for nothing else. Without
// these headers, a browser keeps the answer from the pages of another origin.
func (a *api) cors(c echo.Context) (preflight bool) {
	r, h := c.Request(), c.Response().Header()
	h[echo.HeaderVary] = byOrigin
	origin, allowed := a.origin(r)
	if origin == "" {
		return false
	}
	preflight = r.Method == http.MethodOptions && r.Header.Get(echo.HeaderAccessControlRequestMethod) != ""
	if allowed {
		h.Set(echo.HeaderAccessControlAllowOrigin, origin)
	}
	switch {
	case allowed && preflight:
		h.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
		h.Set(echo.HeaderAccessControlAllowHeaders, corsRequest)
		h.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
	case allowed:
		h.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
	}
	return preflight
}

// origin returns the Origin of r, and whether it is allowed. An absent one is "" and
// allowed: the request is not from a page of another origin, and needs a token anyway.
func (a *api) origin(r *http.Request) (string, bool) {
	lines, present := r.Header[echo.HeaderOrigin]
	switch {
	case !present:
		return "", true
	case len(lines) != 1 || lines[0] == "":
		return "", false
	}
	return lines[0], a.Origins.Allows(lines[0])
}
