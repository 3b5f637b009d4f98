package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Log is the log of a service. Lines are queued, so that no caller waits for the reader of
// the log. Equal lines are counted instead of being written repeatedly.
type Log struct {
	*slog.Logger

	level  *slog.LevelVar
	users  *users
	out    *Output
	audits audits
	counts *counts
}

// NewLog returns a log that writes records of at least level to out, in JSON if format is
// json and in logfmt otherwise. An Output may belong to one log at a time, and stays open
// when the log is closed.
func NewLog(out *Output, level slog.Level, format string) *Log {
	atLeast := new(slog.LevelVar)
	atLeast.Set(level)
	known := newUsers()
	audits := newAudits(newHandler(out, atLeast, format, known), known)
	handler := newRepeats(audits, atLeast)
	out.announce(func(lost uint64) []byte {
		var line bytes.Buffer
		record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
		record.AddAttrs(slog.Uint64("lines", lost))
		_ = newHandler(&line, slog.LevelWarn, format, known).Handle(context.Background(), record) // a buffer never fails
		return line.Bytes()
	})
	return &Log{Logger: slog.New(handler), level: atLeast, users: known, out: out, audits: audits, counts: handler.counts}
}

// Level returns the minimum level of the lines that are written.
func (l *Log) Level() slog.Level { return l.level.Level() }

// SetLevel replaces the minimum level, for all loggers that were made from this one.
func (l *Log) SetLevel(level slog.Level) { l.level.Set(level) }

func newHandler(w io.Writer, level slog.Leveler, format string, users *users) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return plain(a, users) }}
	if format != "json" {
		return slog.NewTextHandler(w, options)
	}
	options.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr { return inSeconds(plain(a, users)) }
	return slog.NewJSONHandler(w, options)
}

// inSeconds replaces a duration by a number of seconds, the unit of metrics. A JSON handler writes
// nanoseconds, and a text handler a number with its unit.
func inSeconds(a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key, a.Value.Duration().Seconds())
	}
	return a
}

// plain returns a with a value that can be written: a user as a hash, and an error as its text.
func plain(a slog.Attr, users *users) slog.Attr {
	if user, is := a.Value.Any().(notify.UserID); is {
		return slog.String(a.Key, users.hash(user))
	}
	return plainError(a)
}

// plainError replaces an error by the text of its Error method. A text handler alone formats
// it with %+v, which is a stack trace of many lines for the errors of some libraries.
func plainError(a slog.Attr) slog.Attr {
	if err, is := a.Value.Any().(error); is && err != nil {
		return slog.String(a.Key, err.Error())
	}
	return a
}

// Close queues the lines with the numbers of repeated lines. The Output stays open.
func (l *Log) Close() { l.counts.close() }

// Flush closes the log and its Output, for a process that must exit immediately. It takes at
// most a second.
func (l *Log) Flush() {
	l.Close()
	l.out.Close()
}

// Samples returns the log's own metrics.
func (l *Log) Samples() []Sample {
	return []Sample{
		{Name: "bellhop_log_lines_dropped_total", Value: float64(l.out.Dropped())},
		{Name: "bellhop_log_lines_repeated_total", Value: float64(l.counts.repeated())},
	}
}
