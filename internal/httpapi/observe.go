package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// observe gives a request its id, answers its error or panic, and tells metrics
// and, at debug level, the log what came of it. The log has the route and not
// the URL: a URL may hold what is secret.
func (a *api) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		c.Response().Header().Set(echo.HeaderXRequestID, uuid.NewString())
		if err := recovered(next, c); err != nil {
			c.Error(err)
		}
		route, status := a.route(c), c.Response().Status
		took := time.Since(start)
		a.Metrics.RequestDone(route, status, took.Seconds())
		ctx := c.Request().Context()
		if a.Logger.Enabled(ctx, slog.LevelDebug) {
			a.Logger.LogAttrs(ctx, slog.LevelDebug, "request",
				slog.String("id", requestID(c)), slog.String("method", c.Request().Method),
				slog.String("route", route), slog.Int("status", status),
				slog.String("address", c.RealIP()), slog.Duration("took", took))
		}
		return nil
	}
}

// recovered calls next and makes an error of its panic. http.ErrAbortHandler
// is net/http's own and passes.
func recovered(next echo.HandlerFunc, c echo.Context) (err error) {
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

// clientAddress returns how to find who asks: the peer, or, if the peer is a
// trusted proxy, the right-most hop of X-Forwarded-For that is none.
func clientAddress(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{
		echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false),
	}
	for _, p := range trusted {
		p = p.Masked()
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP:   p.Addr().AsSlice(),
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
