package app

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/telemetry"
)

// Another level holds for its time, also while the settings change, and then the configured one
// returns, with an audit line.
func TestTheLogLevelReverts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		out := telemetry.NewOutput(&text)
		log := telemetry.NewLog(out, slog.LevelInfo, "text")
		l := newLogLevel(log)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.run(ctx) })
		child := log.With("part", "store") // loggers that exist already follow
		enabled := func(level slog.Level) bool { return child.Enabled(ctx, level) }
		require.False(t, enabled(slog.LevelDebug))

		now := l.SetLogLevel(slog.LevelDebug, 10*time.Minute)
		require.Equal(t, "debug", now.Level)
		require.Equal(t, "info", now.Configured)
		require.Equal(t, time.Now().Add(10*time.Minute), now.Until)
		require.True(t, enabled(slog.LevelDebug))
		l.configure(slog.LevelWarn)
		time.Sleep(10*time.Minute - time.Second)
		synctest.Wait()
		require.True(t, enabled(slog.LevelDebug))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, slog.LevelWarn, log.Level(), "the level of the settings at the end is in force")
		require.Zero(t, l.LogLevel().Until)

		l.SetLogLevel(slog.LevelDebug, time.Hour)
		l.SetLogLevel(slog.LevelInfo, time.Minute) // the last one counts
		require.Equal(t, "warn", l.SetLogLevel(slog.LevelWarn, time.Minute).Level)
		require.Zero(t, l.LogLevel().Until, "the configured level has no end")
		l.configure(slog.LevelError)
		require.Equal(t, slog.LevelError, log.Level())

		l.configure(slog.LevelInfo)
		l.SetLogLevel(slog.LevelError, time.Minute)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		running.Wait()
		log.Close()
		out.Close()
		for _, level := range []string{"warn", "info"} { // also at the level warn
			require.Contains(t, text.String(), `audit=true action=log-level outcome=done target="`+level+`, as configured"`)
		}
	})
}
