package httpapi

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// Waiting returns the handler of a node that is alive and cannot serve yet, since it waits
// for something outside of it. /livez is answered with 200: a restart would not help. All
// other requests are answered with 503 and the problem that reason returns.
func Waiting(basePath string, reason func() error, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = identified(w.Header(), r)
		if hasBody(r) {
			w.Header().Set(echo.HeaderConnection, "close") // the body is not read
		}
		if r.URL.Path == basePath+"/livez" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
			w.Header().Set(echo.HeaderCacheControl, "no-store")
			_, _ = w.Write([]byte(`{"status":"ok"}`)) // an error means that the client has gone
			return
		}
		err := reason()
		if err == nil { // it has become ready since it received the request
			err = notify.Unavailable(notify.CauseStarting, "this node was starting; retry")
		}
		problem.Respond(waitingResponse{w, r, logger}, r, err)
	})
}

// WaitingAdmin returns the handler of the admin listener of a node that cannot serve yet: operators
// need its metrics, profiles and log then, and the page of the console, which shows the reason and continues
// by itself when the node serves. All other requests are answered as by Waiting.
func WaitingAdmin(o AdminOptions, reason func() error) http.Handler {
	served, other := Admin(o), Waiting("", reason, o.Logger)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path == "/metrics" || path == "/log-level" || strings.HasPrefix(path, "/debug/pprof/") || o.Console.isOfPage(path) {
			served.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// waitingResponse is the response of a node that cannot serve yet. It logs each refusal.
type waitingResponse struct {
	http.ResponseWriter

	r      *http.Request
	logger *slog.Logger
}

// Refused receives the error with which problem.Respond answers.
func (w waitingResponse) Refused(err error) {
	audit.Refused(w.r.Context(), w.logger, nil, audit.Line{
		Action: method(w.r) + " other",
		IDs:    append(requestIDs(w.Header(), w.r), slog.String("address", clientAddress(nil)(w.r))),
	}, err)
}
