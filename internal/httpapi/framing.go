package httpapi

import (
	"context"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/nowait"
)

// lengthsKey is the context key of the *nowait.LengthLines of a request's
// connection.
type lengthsKey struct{}

// withLengths is of http.Server.ConnContext.
func withLengths(ctx context.Context, c net.Conn) context.Context {
	if l := nowait.Lengths(c); l != nil {
		return context.WithValue(ctx, lengthsKey{}, l)
	}
	return ctx
}

// closing serves h and closes the connection after a request whose end a proxy in
// front of this service may see at another place: the bytes that follow may be part
// of the body to the proxy and a request to us (RFC 9112, section 6.1).
func closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasUnclearEnd(r) {
			w.Header()[echo.HeaderConnection] = []string{"close"}
		}
		h.ServeHTTP(w, r)
	})
}

// hasUnclearEnd reports whether a request has, or may have, both Content-Length and
// Transfer-Encoding, or a Transfer-Encoding in HTTP/1.0. net/http hides one of the
// two headers. Connections of package nowait know whether it was there; over TLS every
// chunked request counts, and in HTTP/1.0 every request.
func hasUnclearEnd(r *http.Request) bool {
	if !r.ProtoAtLeast(1, 1) {
		return true
	}
	chunked := len(r.TransferEncoding) > 0
	lengths, known := r.Context().Value(lengthsKey{}).(*nowait.LengthLines)
	if !known {
		return chunked
	}
	more := lengths.Account(len(r.Header[echo.HeaderContentLength]))
	return chunked && more
}
