package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/problem"
)

// maxRequestID is the maximum length of a request ID that is adopted.
const maxRequestID = 64

// identified sets the ID of a request in the header h of its answer: the X-Request-Id of the
// request if it can be adopted, and otherwise a new UUID. The instance of a problem is always
// a UUID of this service. If it differs from the ID, it is in the returned request.
func identified(h http.Header, r *http.Request) *http.Request {
	own := newID()
	sent := r.Header[echo.HeaderXRequestID]
	if len(sent) != 1 || !isRequestID(sent[0]) {
		h[echo.HeaderXRequestID] = []string{own}
		return r
	}
	h[echo.HeaderXRequestID] = sent
	return r.WithContext(problem.WithInstance(r.Context(), own))
}

// identify is identified for requests that Echo serves.
func identify(c echo.Context) {
	if r := identified(c.Response().Header(), c.Request()); r != c.Request() {
		c.SetRequest(r)
	}
}

// isRequestID reports whether a request ID of a caller can be adopted. It has only
// characters that need no escape in headers, logs and shells.
func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return true
}

// newID returns a new ID for a request.
func newID() string { return uuid.NewString() }

// requestIDs returns the attributes with which log lines name a request: request_id has the
// X-Request-Id of the answer, whose headers are h, and instance the UUID if it differs; trace
// has the trace ID.
func requestIDs(h http.Header, r *http.Request) []slog.Attr {
	id, instance := h.Get(echo.HeaderXRequestID), problem.Instance(h, r)
	attrs := append(make([]slog.Attr, 0, maxAttrs), slog.String("request_id", id))
	if instance != id {
		attrs = append(attrs, slog.String("instance", instance))
	}
	if trace := traceID(r.Header); trace != "" {
		attrs = append(attrs, slog.String("trace", trace))
	}
	return attrs
}

// caller returns the attributes with which ordinary log lines name the caller of a request: the
// user, whom the log has as a hash, and the issuer.
func caller(ctx context.Context) []slog.Attr {
	by, known := auth.PrincipalOf(ctx)
	if !known {
		return nil
	}
	return audit.Caller(by)
}

// maxAttrs is the number of attributes of a line about a request.
const maxAttrs = 16

// traceID returns the trace ID of the header traceparent (W3C Trace Context), and "" if there
// is none or it is not valid.
func traceID(h http.Header) string {
	const length = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	sent := h["Traceparent"]
	if len(sent) != 1 || len(sent[0]) < length {
		return ""
	}
	v := sent[0]
	version, trace, parent, flags := v[:2], v[3:35], v[36:52], v[53:length]
	switch {
	case v[2] != '-' || v[35] != '-' || v[52] != '-',
		!isLowerHex(version) || !isLowerHex(trace) || !isLowerHex(parent) || !isLowerHex(flags),
		version == "ff", strings.Trim(trace, "0") == "", strings.Trim(parent, "0") == "",
		len(v) > length && (version == "00" || v[length] != '-'): // later versions may add fields
		return ""
	}
	return trace
}

func isLowerHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}
