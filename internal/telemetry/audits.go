package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
)

// audits is a slog.Handler that passes the lines with audit=true to a function, too, in JSON. It
// does so whatever the level of the log is, from info on: the level is for those who read the log.
// Lines about actions of operators, such as a change of that level, are written at every level, except
// after Log.LevelActions.
type audits struct {
	next            slog.Handler
	actions, others slog.Handler // write JSON to an auditWriter
	take            *atomic.Pointer[TakeAudit]
	levelled        *atomic.Bool // actions are written at the level of the log only
}

// TakeAudit receives an audit line, in JSON without a line break, and whether it is about an action of
// an operator. It must not block.
type TakeAudit func(line []byte, action bool)

// auditWriter passes each line that a slog.Handler writes to a function.
type auditWriter struct {
	take   *atomic.Pointer[TakeAudit]
	action bool
}

// Write passes a copy of a line.
func (w auditWriter) Write(line []byte) (int, error) {
	if take := w.take.Load(); take != nil {
		(*take)(bytes.Clone(bytes.TrimSuffix(line, []byte("\n"))), w.action)
	}
	return len(line), nil
}

func newAudits(next slog.Handler, users *users) audits {
	take := &atomic.Pointer[TakeAudit]{}
	options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
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
	}}
	return audits{
		next:     next,
		actions:  slog.NewJSONHandler(auditWriter{take, true}, options),
		others:   slog.NewJSONHandler(auditWriter{take, false}, options),
		take:     take,
		levelled: new(atomic.Bool),
	}
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
	return audits{a.next.WithAttrs(attrs), a.actions.WithAttrs(attrs), a.others.WithAttrs(attrs), a.take, a.levelled}
}

// WithGroup is of slog.Handler.
func (a audits) WithGroup(name string) slog.Handler {
	return audits{a.next.WithGroup(name), a.actions.WithGroup(name), a.others.WithGroup(name), a.take, a.levelled}
}

// Handle is of slog.Handler.
func (a audits) Handle(ctx context.Context, record slog.Record) error {
	action := isAction(record)
	if record.Level >= slog.LevelInfo && a.take.Load() != nil && isAudit(record) {
		lines := a.others
		if action {
			lines = a.actions
		}
		_ = lines.Handle(ctx, record) // an auditWriter never fails
	}
	if (!action || a.levelled.Load()) && !a.next.Enabled(ctx, record.Level) {
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

// PassAudits passes each audit line to take from now on. An earlier function receives no more.
func (l *Log) PassAudits(take TakeAudit) { l.audits.take.Store(&take) }

// LevelActions has lines about actions of operators written at the level of the log only, as other
// lines are. PassAudits passes them nevertheless.
func (l *Log) LevelActions() { l.audits.levelled.Store(true) }

// WithAudits returns a logger that passes the audit lines of logger, too, as PassAudits does.
func WithAudits(logger *slog.Logger, take TakeAudit) *slog.Logger {
	a := newAudits(logger.Handler(), newUsers())
	a.take.Store(&take)
	return slog.New(a)
}
