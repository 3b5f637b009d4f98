package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/nowait"
)

// The time that a connection has for each part of a request. Neither Echo nor net/http
// has such limits by default.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 15 * time.Second // to the first bytes of the body; body.extend allows more for the rest
	idleTimeout       = 2 * time.Minute
	writeTimeout      = time.Minute // from the header to the end of the answer; WebSockets and event streams have their own
)

// NewServer returns a server for h with bounds on the time and memory that a client can
// hold. The header of a request may have headerBytes; net/http allows up to 4 KiB more.
func NewServer(h http.Handler, headerBytes int, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           closing(h),
		ConnContext:       withLengthLines,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,

		// net/http would answer OPTIONS * without calling the handler.
		DisableGeneralOptionsHandler: true,

		ErrorLog: slog.NewLogLogger(serverErrors{logger.Handler()}, slog.LevelWarn),
	}
}

// serverErrors logs every error of net/http under one constant message, so that errors
// that clients can cause, such as failed TLS handshakes, count as repetitions.
type serverErrors struct{ slog.Handler }

// Handle is of slog.Handler.
func (h serverErrors) Handle(ctx context.Context, r slog.Record) error {
	line := slog.NewRecord(r.Time, r.Level, "the HTTP server reported an error", r.PC)
	line.AddAttrs(slog.String("error", r.Message))
	return h.Handler.Handle(ctx, line)
}

// lengthLinesKey is the context key of the *nowait.LengthLines of a request's
// connection.
type lengthLinesKey struct{}

// withLengthLines is of http.Server.ConnContext.
func withLengthLines(ctx context.Context, c net.Conn) context.Context {
	if l := nowait.Lengths(c); l != nil {
		return context.WithValue(ctx, lengthLinesKey{}, l)
	}
	return ctx
}

// closing serves h and closes the connection after a request whose end a proxy in front
// of this service may see elsewhere. The following bytes could be part of the body to
// the proxy and a new request here (RFC 9112, section 6.1).
func closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasAmbiguousEnd(r) {
			w.Header()[echo.HeaderConnection] = []string{"close"}
		}
		h.ServeHTTP(w, r)
	})
}

// hasAmbiguousEnd reports whether a request has, or may have, both Content-Length and
// Transfer-Encoding, or a Transfer-Encoding in HTTP/1.0. net/http removes one of the
// two headers. Connections of package nowait count the Content-Length lines. Over TLS
// nothing counts them, so that every chunked request is ambiguous; so is every request
// in HTTP/1.0.
func hasAmbiguousEnd(r *http.Request) bool {
	if !r.ProtoAtLeast(1, 1) {
		return true
	}
	chunked := len(r.TransferEncoding) > 0
	lengths, counted := r.Context().Value(lengthLinesKey{}).(*nowait.LengthLines)
	if !counted {
		return chunked
	}
	more := lengths.Account(len(r.Header[echo.HeaderContentLength]))
	return chunked && more
}
