package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"
)

// Log is the log of a service. A line that is logged is queued, so that no
// caller waits for the log's reader; equal lines are counted instead of written
// again and again.
type Log struct {
	*slog.Logger

	out    *Output
	counts *counts
}

// NewLog returns a log that writes a line for each record of at least level to
// out, as JSON if format is json and as text for people otherwise. One log at a
// time may have an Output, which it leaves open.
func NewLog(out *Output, level slog.Level, format string) *Log {
	handler := newRepeats(newHandler(out, level, format))
	out.announce(func(lost uint64) []byte {
		var line bytes.Buffer
		record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
		record.AddAttrs(slog.Uint64("lines", lost))
		_ = newHandler(&line, slog.LevelWarn, format).Handle(context.Background(), record) // a buffer takes all
		return line.Bytes()
	})
	return &Log{Logger: slog.New(handler), out: out, counts: handler.counts}
}

func newHandler(w io.Writer, level slog.Level, format string) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: plainError}
	if format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// plainError writes an error as its Error method does. A text handler alone would
// format it with %+v, which for the errors of some libraries is a stack trace of many
// lines.
func plainError(_ []string, a slog.Attr) slog.Attr {
	if err, is := a.Value.Any().(error); is && err != nil {
		return slog.String(a.Key, err.Error())
	}
	return a
}

// Close queues the lines about repetitions that are due. The Output stays open.
func (l *Log) Close() { l.counts.close() }

// Flush closes the log and its Output, for a process that must exit at once. It
// takes a second at most.
func (l *Log) Flush() {
	l.Close()
	l.out.Close()
}

// Samples returns the log's own metrics.
func (l *Log) Samples() []Sample {
	return []Sample{
		{
			Name: "bellhop_log_lines_dropped_total", Help: "Log lines that were lost because the log was not read or could not be written.",
			Value: float64(l.out.Dropped()), Counter: true,
		},
		{
			Name: "bellhop_log_lines_repeated_total", Help: "Log lines that were counted instead of written, because equal ones were written shortly before.",
			Value: float64(l.counts.repeated()), Counter: true,
		},
	}
}
