package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/telemetry"
)

// line is a log line in JSON.
type line struct {
	Level, Msg, Error string
	N, Repeated       int
	Lines             int
	Problem           string
}

func lines(t *testing.T, text string) []line {
	t.Helper()
	var all []line
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		var decoded line
		if err := json.Unmarshal([]byte(l), &decoded); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		all = append(all, decoded)
	}
	return all
}

// logged returns the text that use logs.
func logged(format string, level slog.Level, use func(l *telemetry.Log)) string {
	var w bytes.Buffer
	out := telemetry.NewOutput(&w)
	l := telemetry.NewLog(out, level, format)
	use(l)
	l.Close()
	out.Close()
	return w.String()
}

// traced is an error that formats itself with a stack trace, as errors of some libraries do.
type traced struct{ error }

func (e traced) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, e.Error())
	if s.Flag('+') {
		_, _ = io.WriteString(s, "\n-- stack trace:")
	}
}

func TestErrorsAreLoggedWithoutStackTraces(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		text := logged(format, slog.LevelInfo, func(l *telemetry.Log) {
			l.Error("failed", "error", traced{errors.New("bad checksum")})
		})
		if strings.Contains(text, "stack") || !strings.Contains(text, "bad checksum") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

func TestDurationsHaveAUnit(t *testing.T) {
	for format, want := range map[string]string{"text": "took=1.5ms window=20s ", "json": `"took":0.0015,"window":20,`} {
		text := logged(format, slog.LevelInfo, func(l *telemetry.Log) {
			l.With("took", 1500*time.Microsecond).Info("stopping", "window", 20*time.Second, "n", 1)
		})
		if !strings.Contains(text, want) {
			t.Errorf("%s: %s", format, text)
		}
	}
}

func TestLog(t *testing.T) {
	text := logged("json", slog.LevelWarn, func(l *telemetry.Log) {
		l.Info("not this")
		l.Warn("this", "n", 1)
	})
	if got := lines(t, text); len(got) != 1 || got[0].Msg != "this" || got[0].N != 1 {
		t.Errorf("logged %q", text)
	}
	text = logged("text", slog.LevelInfo, func(l *telemetry.Log) { l.Info("that") })
	if !strings.Contains(text, "msg=that") {
		t.Errorf("logged %q", text)
	}
}

// blockedWriter is like a pipe that is not read until open is closed.
type blockedWriter struct {
	bytes.Buffer
	began chan struct{} // gets a value when a write begins
	open  chan struct{}
}

func newBlockedWriter() *blockedWriter {
	return &blockedWriter{began: make(chan struct{}, 1<<20), open: make(chan struct{})}
}

func (w *blockedWriter) Write(p []byte) (int, error) {
	w.began <- struct{}{}
	<-w.open
	return w.Buffer.Write(p)
}

func TestABlockedWriterBlocksNoCaller(t *testing.T) {
	w := newBlockedWriter()
	out := telemetry.NewOutput(w)
	l := telemetry.NewLog(out, slog.LevelDebug, "json")
	l.Debug("first", "n", 0)
	<-w.began
	const most = 100_000
	for n := 1; n <= most; n++ { // returns, though nothing is written
		l.Debug("another", "n", n)
	}
	dropped := out.Dropped()
	if dropped == 0 || dropped >= most {
		t.Fatalf("%d of %d lines were dropped: the log must have a bounded queue", dropped, most)
	}
	close(w.open)
	out.Close()
	all := lines(t, w.String())
	reported, written := uint64(0), uint64(0)
	for i, got := range all {
		switch got.Msg {
		case "log lines were dropped":
			reported += uint64(got.Lines)
		case "another":
			if written++; got.N != int(written) {
				t.Fatalf("line %d has n %d: lines are out of order", i, got.N)
			}
		}
	}
	if written+dropped != most || reported != dropped {
		t.Errorf("%d lines were written, %d dropped, and %d reported", written, dropped, reported)
	}
}

func TestCloseDoesNotWaitForAWriterThatBlocks(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		w := newBlockedWriter()
		out := telemetry.NewOutput(w)
		fmt.Fprintln(out, "this is not read")
		out.Close() // or the bubble is deadlocked
		out.Close()
		close(w.open)
	})
}

// brokenWriter fails while err is not nil, after writing a part of the text.
type brokenWriter struct {
	mu   sync.Mutex
	text bytes.Buffer
	err  error
	part int
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		n := min(w.part, len(p))
		w.part = 0
		w.text.Write(p[:n])
		return n, w.err
	}
	return w.text.Write(p)
}

func (w *brokenWriter) fail(err error, part int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err, w.part = err, part
}

func TestAWriterThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &brokenWriter{}
		out := telemetry.NewOutput(w)
		l := telemetry.NewLog(out, slog.LevelInfo, "json")
		defer l.Close()
		l.Info("before")
		synctest.Wait()
		w.fail(errors.New("no space left on device"), 5)
		l.Info("dropped")
		l.Info("dropped, too")
		synctest.Wait()
		if out.Dropped() != 2 {
			t.Errorf("%d lines were dropped, want 2", out.Dropped())
		}
		w.fail(nil, 0)
		l.Info("after")
		out.Close()
		text := w.text.String()
		_, rest, torn := strings.Cut(text, "{\"tim\n")
		if !torn {
			t.Fatalf("a line does not begin on its own after one that was written in part: %q", text)
		}
		all := lines(t, rest)
		if len(all) != 2 || all[0].Msg != "log lines were dropped" || all[0].Lines != 2 || all[1].Msg != "after" {
			t.Errorf("logged %q", text)
		}
	})
}

func TestRepeatedLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := logged("json", slog.LevelDebug, func(l *telemetry.Log) {
			for n := range 1000 {
				l.Info("peer broke the protocol", "connection", n, "error", io.ErrUnexpectedEOF)
				l.Debug("request")
			}
			l.Info("peer broke the protocol", "connection", 1, "error", io.ErrClosedPipe)
			time.Sleep(time.Minute)
			l.Info("peer broke the protocol", "connection", 2, "error", io.ErrUnexpectedEOF)
			if got := sample(l, "bellhop_log_lines_repeated_total"); got != 999 {
				t.Errorf("%v lines were counted, want 999", got)
			}
		})
		var got []line
		debug := 0
		for _, l := range lines(t, text) {
			if l.Level == "DEBUG" {
				debug++
			} else {
				got = append(got, l)
			}
		}
		if debug != 1000 {
			t.Errorf("%d lines at debug level were written, want all", debug)
		}
		if len(got) != 4 || got[0].Repeated != 0 || got[1].Error != io.ErrClosedPipe.Error() || got[2].Repeated != 999 || got[3].Repeated != 0 {
			t.Errorf("logged %+v, want a line for each error, their count, and a line in the next period", got)
		}
	})
}

func TestAuditLinesAreAllWritten(t *testing.T) {
	text := logged("json", slog.LevelInfo, func(l *telemetry.Log) {
		for range 50 {
			l.Info("files were reloaded", "audit", true)
			l.Info("files were reloaded", "audit", false)
		}
	})
	if all := lines(t, text); len(all) != 50+2 {
		t.Errorf("%d lines were written, want the fifty of the audit, one other and their count", len(all))
	}
}

// Anybody can cause lines about refused and failed requests. They are counted by problem, so
// that a flood of one kind does not displace another.
func TestRefusalsAreCountedByProblem(t *testing.T) {
	text := logged("json", slog.LevelInfo, func(l *telemetry.Log) {
		for n := range 1000 {
			for _, outcome := range []string{"refused", "failed", "unknown"} {
				l.Info("request refused", "audit", true, "outcome", outcome, "reason", n, "problem", "token-invalid-"+outcome, "request_id", n)
			}
		}
		l.Info("request refused", "audit", true, "outcome", "refused", "problem", "key-reused", "request_id", 1)
		l.Info("request refused", "audit", true, "outcome", "refused", "problem", "key-reused", "request_id", 2)
	})
	count := map[string]int{}
	for _, l := range lines(t, text) {
		count[l.Problem]++
		if l.Repeated > 0 {
			count[l.Problem] += 1000 * l.Repeated
		}
	}
	const limited = 20 + 1 + 980*1000
	want := map[string]int{"token-invalid-refused": limited, "token-invalid-failed": limited, "token-invalid-unknown": 1000, "key-reused": 1 + 1 + 1000}
	if !maps.Equal(count, want) {
		t.Errorf("logged %v, want %v", count, want)
	}
}

// Loggers of two sources write the same line about each.
func TestLinesOfDifferentLoggersAreNotEqual(t *testing.T) {
	text := logged("json", slog.LevelInfo, func(l *telemetry.Log) {
		for range 3 {
			for n := range 2 {
				l.With("n", n, "connection", n).Error("source cannot be loaded")
			}
		}
	})
	all := lines(t, text)
	if len(all) != 3 || all[0].N != 0 || all[1].N != 1 || all[2].Repeated != 4 {
		t.Errorf("logged %s", text)
	}
}

func TestVaryingMessagesAreCounted(t *testing.T) {
	const most = 5000
	text := logged("json", slog.LevelInfo, func(l *telemetry.Log) {
		for n := range most {
			l.Warn("request failed", "error", fmt.Errorf("number %d", n))
		}
		l.Warn("the store stalls writes")
	})
	all := lines(t, text)
	other, repeated := 0, 0
	for _, l := range all {
		repeated += l.Repeated
		if l.Msg == "the store stalls writes" {
			other++
		}
	}
	if written := len(all) - 2; written > 50 || written+repeated != most || other != 1 {
		t.Errorf("%d lines were written, %d counted, and %d of another message", written, repeated, other)
	}
}

func sample(l *telemetry.Log, name string) float64 {
	for _, s := range l.Samples() {
		if s.Name == name {
			return s.Value
		}
	}
	return -1
}

// Messages beyond the maximum share one count, but lines with different messages are not
// equal.
func TestVeryManyMessages(t *testing.T) {
	const most = 1000
	text := logged("json", slog.LevelInfo, func(l *telemetry.Log) {
		for n := range most {
			l.Info(fmt.Sprint("message ", n)) //nolint:sloglint // the test needs very many messages
		}
	})
	written, repeated := map[string]bool{}, 0
	for _, l := range lines(t, text) {
		if l.Repeated == 0 {
			written[l.Msg] = true
		}
		repeated += l.Repeated
	}
	if len(written)+repeated != most || !written["message 260"] || len(written) > 300 {
		t.Errorf("%d messages were written, %d lines counted", len(written), repeated)
	}
}
