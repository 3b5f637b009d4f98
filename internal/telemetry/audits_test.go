package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// withoutTime returns a passed line as a map, whose time must be valid.
func withoutTime(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(line, &m))
	at, _ := m["time"].(string)
	_, err := time.Parse(time.RFC3339Nano, at)
	require.NoError(t, err)
	delete(m, "time")
	return m
}

func TestAuditLinesArePassed(t *testing.T) {
	var passed [][]byte
	var actions []bool
	text := logged("text", slog.LevelWarn, func(l *telemetry.Log) {
		l.Info("action carried out", "audit", true, "action", "before anybody takes them")
		l.PassAudits(func(line []byte, action bool) { passed, actions = append(passed, line), append(actions, action) })
		l.Info("not an audit line", "action", "x")
		l.Info("action carried out", "audit", true, "action", "recall", "request_id", "r1", "user", notify.UserID("ada"),
			"reason", errors.New("why\nnot"))
		l.With("node", "a").Warn("request failed", "audit", true, "outcome", "failed", "stack", strings.Repeat("x", 5_000))
		l.Debug("debug", "audit", true)
		require.True(t, l.Enabled(t.Context(), slog.LevelInfo))
		require.False(t, l.Enabled(t.Context(), slog.LevelDebug))
	})
	require.Len(t, passed, 2)
	require.Equal(t, []bool{true, false}, actions)
	first := withoutTime(t, passed[0])
	require.Len(t, first["user"], 16, "a hash")
	delete(first, "user")
	require.Equal(t, map[string]any{
		"level": "INFO", "message": "action carried out", "action": "recall", "request": "r1", "reason": "why\nnot",
	}, first)
	second := withoutTime(t, passed[1])
	require.Equal(t, "a", second["node"])
	require.Less(t, len(passed[1]), 1_200)
	require.NotContains(t, string(passed[0]), "\n")
	require.Contains(t, text, "recall", "an action of an operator is written at every level")
	require.NotContains(t, text, "not an audit line", "the level of the log is still warn")
	require.Contains(t, text, "request failed")
}

// Strangers cannot push the actions of operators out of the console with refused requests: equal
// lines are passed once in a period, as they are written.
func TestRepeatedAuditLinesArePassedOnce(t *testing.T) {
	passed := 0
	out := telemetry.NewOutput(io.Discard)
	defer out.Close()
	l := telemetry.NewLog(out, slog.LevelWarn, "text")
	l.PassAudits(func([]byte, bool) { passed++ })
	for range 100 {
		l.Info("request refused", "audit", true, "outcome", "refused", "problem", "not-found")
	}
	require.Equal(t, 1, passed)
	require.Zero(t, sample(l, "bellhop_log_lines_repeated_total"), "the level of the log leaves them out anyway")
	l.Close()
	require.Equal(t, 2, passed, "their number")
}

func TestActionsAreWrittenAtEveryLevelUnlessTheLogLevelsThem(t *testing.T) {
	var text bytes.Buffer
	out := telemetry.NewOutput(&text)
	l := telemetry.NewLog(out, slog.LevelWarn, "text")
	passed := 0
	l.PassAudits(func([]byte, bool) { passed++ })
	act := func(n int) { l.Info("action carried out", "audit", true, "outcome", "done", "n", n) }
	act(1)
	l.LevelActions()
	act(2)
	l.SetLevel(slog.LevelInfo)
	act(3)
	l.Flush()
	require.Equal(t, 3, passed)
	require.Contains(t, text.String(), "n=1")
	require.NotContains(t, text.String(), "n=2")
	require.Contains(t, text.String(), "n=3")
}

func TestTheAuditLinesOfAnyLoggerArePassed(t *testing.T) {
	var text bytes.Buffer
	var passed [][]byte
	l := telemetry.WithAudits(slog.New(slog.NewTextHandler(&text, nil)), func(line []byte, _ bool) { passed = append(passed, line) })
	l.Info("action carried out", "audit", true, "action", "erase")
	l.WithGroup("g").Info("another", "audit", false)
	require.Len(t, passed, 1)
	require.Equal(t, map[string]any{"level": "INFO", "message": "action carried out", "action": "erase"}, withoutTime(t, passed[0]))
	require.Equal(t, 2, strings.Count(text.String(), "\n"))
}
