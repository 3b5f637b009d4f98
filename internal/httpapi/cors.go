package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Headers that pages of a listed origin may send and read. Date tells them the time where
// the device does not know it.
const (
	corsMethods = "GET, POST, DELETE"
	corsRequest = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
	corsExposed = "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Date"
	corsMaxAge  = "600" // seconds
)

// cors tells the browsers of listed origins what their pages may do, with
// every answer, and reports whether that is all they ask, a preflight. A page of
// another origin is told nothing, and its browser keeps the answer from it.
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

// origin returns the Origin of r, and whether it is on the list. An absent one
// is "" and allowed: no browser sent it, and a token is needed anyway.
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
