package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
)

// audits is a slog.Handler that passes the lines with audit=true to a function, too, in JSON. It
// does so whatever the level of the log is, from info on: the level is for those who read the log.
// Lines about actions of operators are also written at every level, such as the one that has raised it.
type audits struct {
	next  slog.Handler
	lines slog.Handler // writes JSON to "to"
	to    *auditWriter
}

// auditWriter passes each line that a slog.Handler writes to a function.
type auditWriter struct {
	take atomic.Pointer[func(line []byte)]
}

// Write passes a copy of a line.
func (w *auditWriter) Write(line []byte) (int, error) {
	if take := w.take.Load(); take != nil {
		(*take)(bytes.Clone(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return len(line), nil
}

func newAudits(next slog.Handler, users *users) audits {
	to := &auditWriter{}
	lines := slog.NewJSONHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.MessageKey:
			a.Key = "message"
		case "request_id":
			a.Key = "request"
		case "audit":
			return slog.Attr{}
		}
		a = plain(a, users)
		if a.Value.Kind() == slog.KindString {
			a.Value = slog.StringValue(shortened(a.Value.String()))
		}
		return a
	}})
	return audits{next, lines, to}
}

// maxAuditValue is the length to which values of passed lines are cut, such as the stack of a panic.
const maxAuditValue = 1 << 10

func shortened(text string) string {
	if len(text) <= maxAuditValue {
		return text
	}
	return text[:maxAuditValue] + "…"
}

// Enabled is of slog.Handler.
func (a audits) Enabled(ctx context.Context, level slog.Level) bool {
	return a.next.Enabled(ctx, level) || level >= slog.LevelInfo
}

// WithAttrs is of slog.Handler.
func (a audits) WithAttrs(attrs []slog.Attr) slog.Handler {
	return audits{a.next.WithAttrs(attrs), a.lines.WithAttrs(attrs), a.to}
}

// WithGroup is of slog.Handler.
func (a audits) WithGroup(name string) slog.Handler {
	return audits{a.next.WithGroup(name), a.lines.WithGroup(name), a.to}
}

// Handle is of slog.Handler.
func (a audits) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelInfo && a.to.take.Load() != nil && isAudit(record) {
		_ = a.lines.Handle(ctx, record) // an auditWriter never fails
	}
	if !a.next.Enabled(ctx, record.Level) && !isAction(record) {
		return nil
	}
	return a.next.Handle(ctx, record)
}

func isAudit(record slog.Record) (is bool) {
	record.Attrs(func(a slog.Attr) bool {
		is = a.Key == "audit" && a.Value.Kind() == slog.KindBool && a.Value.Bool()
		return !is
	})
	return is
}

// PassAudits has take called with each audit line from now on, as JSON without a line break. It
// must not block, and replaces the function before it.
func (l *Log) PassAudits(take func(line []byte)) { l.audits.to.take.Store(&take) }

// WithAudits returns a logger that passes the audit lines of logger, too, as PassAudits does.
func WithAudits(logger *slog.Logger, take func(line []byte)) *slog.Logger {
	a := newAudits(logger.Handler(), newUsers())
	a.to.take.Store(&take)
	return slog.New(a)
}
