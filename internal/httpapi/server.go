package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/labstack/echo/v4"
)

// What a connection may take before a request is understood. Echo and net/http
// set no such limits by themselves.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second // with the body: who sends a byte now and then holds nothing for longer
	idleTimeout       = 2 * time.Minute
	writeTimeout      = time.Minute // from the head to the end of the answer; sockets and streams have their own
)

// NewServer returns a server for h that bounds what a slow or wordy client can
// hold. A request's line and headers may have headBytes, which net/http exceeds
// by up to 4 KiB.
func NewServer(h http.Handler, headBytes int, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headBytes,
		ErrorLog:          slog.NewLogLogger(serverErrors{logger.Handler()}, slog.LevelWarn),
	}
}

// serverErrors gives what net/http logs one message, so that lines which strangers
// cause, such as those about failed TLS handshakes, can be counted as one kind.
type serverErrors struct{ slog.Handler }

// Handle is of slog.Handler.
func (h serverErrors) Handle(ctx context.Context, r slog.Record) error {
	line := slog.NewRecord(r.Time, r.Level, "the HTTP server reported an error", r.PC)
	line.AddAttrs(slog.String("error", r.Message))
	return h.Handler.Handle(ctx, line)
}

// NewAdminServer returns a server for Admin, which bounds less: a profile takes
// as long as it is asked to.
func NewAdminServer(h http.Handler, headBytes int, logger *slog.Logger) *http.Server {
	server := NewServer(h, headBytes, logger)
	server.ReadTimeout, server.WriteTimeout = 0, 0
	return server
}

// Admin returns the handler of the admin listener: /metrics, which metrics
// serves, and /debug/pprof/. It asks for no token; the listener must not be
// open to strangers.
func Admin(metrics http.Handler, logger *slog.Logger) http.Handler {
	e := newEcho(logger)
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = panicked(p)
				}
			}()
			c.Response().Header().Set(echo.HeaderXRequestID, newID())
			return next(c)
		}
	})
	g := e.Group("")
	page(g, "/metrics", echo.WrapHandler(metrics))
	page(g, "/debug/pprof/", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	page(g, "/debug/pprof/:profile", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	page(g, "/debug/pprof/cmdline", echo.WrapHandler(http.HandlerFunc(pprof.Cmdline)))
	page(g, "/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	page(g, "/debug/pprof/trace", echo.WrapHandler(http.HandlerFunc(pprof.Trace)))
	page(g, "/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	g.POST("/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	return e
}
