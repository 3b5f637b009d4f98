package app

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// logLevel is the level of the log: that of the settings, or for a time another one. Its
// methods may be called concurrently.
type logLevel struct {
	log     *telemetry.Log
	changed chan struct{} // has a value when until has changed

	mu         sync.Mutex
	configured slog.Level
	until      time.Time // the end of another level; zero: the configured one is in force
}

func newLogLevel(log *telemetry.Log) *logLevel {
	return &logLevel{log: log, changed: make(chan struct{}, 1), configured: log.Level()}
}

// configure replaces the level of the settings. Another level stays until its time is over.
func (l *logLevel) configure(level slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.configured = level
	if l.until.IsZero() {
		l.log.SetLevel(level)
	}
}

// LogLevel returns the level that is in force.
func (l *logLevel) LogLevel() httpapi.LogLevel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statusLocked()
}

func (l *logLevel) statusLocked() httpapi.LogLevel {
	return httpapi.LogLevel{Level: nameOf(l.log.Level()), Configured: nameOf(l.configured), Until: l.until}
}

// SetLogLevel changes the level for a time. The configured level has no end.
func (l *logLevel) SetLogLevel(level slog.Level, period time.Duration) httpapi.LogLevel {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.SetLevel(level)
	l.until = time.Time{}
	if level != l.configured {
		l.until = time.Now().Add(period)
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return l.statusLocked()
}

// start runs run, until the function that it returns is called.
func (l *logLevel) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// run restores the configured level when the time of another one is over, until ctx ends.
func (l *logLevel) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-timer.C:
		}
		if left := l.restore(ctx); left > 0 {
			timer.Reset(left)
		}
	}
}

// restore restores the configured level if it is time, and returns the time that is left.
func (l *logLevel) restore(ctx context.Context) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until.IsZero() {
		return 0
	}
	if left := time.Until(l.until); left > 0 {
		return left
	}
	l.until = time.Time{}
	l.log.SetLevel(l.configured)
	audit.Done(ctx, l.log.Logger, audit.Line{Action: "log-level", Target: nameOf(l.configured) + ", as configured"})
	return 0
}

// UserHash returns the text that stands for a user in log lines.
func (l *logLevel) UserHash(user notify.UserID) string { return l.log.UserHash(user) }

func nameOf(level slog.Level) string { return strings.ToLower(level.String()) }
