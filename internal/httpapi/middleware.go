package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
)

// Metrics counts requests, and those that were refused.
type Metrics interface {
	audit.Metrics

	// RequestDone is called once for each request: of a WebSocket or an event stream
	// when it is open, of any other request when it is answered. The route is a path of
	// openapi.yaml or of a page, or "other".
	RequestDone(route string, status int, seconds float64)
}

// around surrounds the handler of every request. All of it is one middleware, since
// Echo allocates a closure for each middleware and request.
func (a *api) around(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a.observe(c, next)
		return nil
	}
}

// noSniff keeps browsers from guessing the type of an answer.
var noSniff = []string{"nosniff"}

// observe gives a request its ID, calls next, answers its error or panic, and reports
// the outcome to metrics and, at debug level, to the log. The log has the route instead
// of the URL, which may hold secrets.
func (a *api) observe(c echo.Context, next echo.HandlerFunc) {
	start := time.Now()
	h := c.Response().Header()
	identify(c)
	h[echo.HeaderXContentTypeOptions] = noSniff
	end := a.traced(c)
	if err := guarded(c, func(c echo.Context) error { return a.prepared(c, next) }); err != nil {
		skipBody(c)
		c.Error(err)
	}
	route, status := a.reports.route(c), c.Response().Status
	took := time.Since(start)
	end(status)
	if route != eventsPath || status != http.StatusOK { // stream has reported those
		a.Metrics.RequestDone(route, status, took.Seconds())
	}
	ctx := c.Request().Context()
	if a.Logger.Enabled(ctx, slog.LevelDebug) {
		a.Logger.LogAttrs(ctx, slog.LevelDebug, "request", append(append(requestIDs(h, c.Request()),
			slog.String("method", c.Request().Method), slog.String("route", route), slog.Int("status", status),
			slog.String("address", c.RealIP()), slog.Duration("took", took)), published(c)...)...)
	}
	discardRest(c)
}

// prepared calls next after the headers for other origins, unless the request is a
// preflight, and after the checks of its body that need no authentication.
func (a *api) prepared(c echo.Context, next echo.HandlerFunc) error {
	preflight := a.cors(c)
	if m := c.Request().Method; m != http.MethodPost && m != http.MethodPut { // handlers of other methods read no body
		skipBody(c)
	}
	if preflight {
		return c.NoContent(http.StatusNoContent)
	}
	return a.limitBody(c, next)
}

// guarded calls next and returns a panic as an error. http.ErrAbortHandler belongs to
// net/http and passes.
func guarded(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
			panic(p)
		}
		err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}()
	return next(c)
}
