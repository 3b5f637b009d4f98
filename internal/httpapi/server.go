package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// What a connection may take before a request is understood. Echo and net/http
// set no such limits by themselves.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 15 * time.Second // with the first bytes of the body; body.extend allows more
	idleTimeout       = 2 * time.Minute
	writeTimeout      = time.Minute // from the head to the end of the answer; sockets and streams have their own
)

// NewServer returns a server for h that bounds what a slow or wordy client can
// hold. A request's line and headers may have headBytes, which net/http exceeds
// by up to 4 KiB.
func NewServer(h http.Handler, headBytes int, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           closing(h),
		ConnContext:       withLengths,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headBytes,

		// It would answer OPTIONS * without the handler.
		DisableGeneralOptionsHandler: true,

		ErrorLog: slog.NewLogLogger(serverErrors{logger.Handler()}, slog.LevelWarn),
	}
}

// serverErrors logs every error of net/http under one constant message, so that
// lines that strangers cause, such as those about failed TLS handshakes, are counted
// as repetitions.
type serverErrors struct{ slog.Handler }

// Handle is of slog.Handler.
func (h serverErrors) Handle(ctx context.Context, r slog.Record) error {
	line := slog.NewRecord(r.Time, r.Level, "the HTTP server reported an error", r.PC)
	line.AddAttrs(slog.String("error", r.Message))
	return h.Handler.Handle(ctx, line)
}
