package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// around is what surrounds the handler of every request. It is one middleware,
// since Echo makes a closure of each for each request.
func (a *api) around(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		a.observe(c, next)
		return nil
	}
}

// noSniff keeps browsers from taking an answer for something else than it says.
var noSniff = []string{"nosniff"}

// observe gives a request its id, answers its error or panic, and tells metrics
// and, at debug level, the log what came of it. The log has the route and not
// the URL: a URL may hold what is secret.
func (a *api) observe(c echo.Context, next echo.HandlerFunc) {
	start := time.Now()
	h := c.Response().Header()
	h[echo.HeaderXRequestID] = []string{newID()}
	h[echo.HeaderXContentTypeOptions] = noSniff
	if err := a.guarded(c, next); err != nil {
		dismissBody(c)
		c.Error(err)
	}
	route, status := a.route(c), c.Response().Status
	took := time.Since(start)
	if route != eventsPath || status != http.StatusOK { // else they have heard
		a.Metrics.RequestDone(route, status, took.Seconds())
	}
	ctx := c.Request().Context()
	if a.Logger.Enabled(ctx, slog.LevelDebug) {
		a.Logger.LogAttrs(ctx, slog.LevelDebug, "request",
			slog.String("id", requestID(c)), slog.String("method", c.Request().Method),
			slog.String("route", route), slog.Int("status", status),
			slog.String("address", c.RealIP()), slog.Duration("took", took))
	}
	lingerOn(c)
}

// guarded calls next for who may ask for it with such a body, and makes an error
// of its panic.
func (a *api) guarded(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	preflight := a.cors(c)
	if c.Request().Method != http.MethodPost { // no handler of another method reads a body
		dismissBody(c)
	}
	if preflight {
		return c.NoContent(http.StatusNoContent)
	}
	return a.limitBody(c, next)
}

// panicked makes an error of a panic. http.ErrAbortHandler is net/http's own and
// passes.
func panicked(p any) error {
	if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
		panic(p)
	}
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}

// newID returns a random UUID.
func newID() string {
	var id uuid.UUID
	rand.Read(id[:]) // never fails: crypto/rand
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// route names where c went with few words, whatever was asked for.
func (a *api) route(c echo.Context) string {
	if route := strings.TrimPrefix(c.Path(), a.BasePath); route != "" {
		return route
	}
	return "other"
}

func requestID(c echo.Context) string {
	return c.Response().Header().Get(echo.HeaderXRequestID)
}
