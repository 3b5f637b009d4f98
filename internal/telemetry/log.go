package telemetry

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes a line each of what is at least of
// level, as JSON if format is json and as text for people otherwise.
func NewLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
