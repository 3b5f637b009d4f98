package app

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/watch"
)

// live has the settings that are in force: those of the start, with the changes of reloads. It
// outlives a node that starts again.
type live struct {
	now   atomic.Pointer[config.Config]
	level *logLevel // nil: the caller of Run has a log of its own

	feed *console.Feed // of the operators' console; nil: it is disabled
}

// logControl returns the control of the log, nil if there is none.
func (l *live) logControl() httpapi.LogControl {
	if l.level == nil {
		return nil
	}
	return l.level
}

// jsonDepth returns how deep JSON may nest.
func (s *node) jsonDepth() int { return s.live.now.Load().JSONDepth }

// followSettings begins to follow the file of settings, and reports whether there is one that
// can be read again. A file with a mistake changes nothing.
func (s *node) followSettings(ctx context.Context, o Options) bool {
	path := s.cfg.File
	info, err := os.Stat(path)
	if o.Sources == nil || path == "" || err == nil && !info.Mode().IsRegular() { // a pipe is read once
		return false
	}
	sources := *o.Sources
	sources.NeedKey = true
	var about []slog.Attr
	s.settings = watch.New(watch.Options[*config.Config]{
		What: "settings",
		Name: path,
		Load: watch.Files(config.MaxFileBytes, func(ctx context.Context, contents [][]byte) (*config.Config, error) {
			sources.Content = contents[0]
			next, err := LoadSettings(ctx, sources)
			if err != nil {
				return nil, oneLine{err}
			}
			return next, nil
		}, path),
		Advice: "correct the file; bellhop config --check prints its mistakes",
		Take: func(_ context.Context, next *config.Config) {
			about = s.apply(next)
			s.settings.Set(next)
		},
		About:  func() []slog.Attr { return about },
		Logger: s.logger,
	})
	s.settings.Try(ctx) // it may have changed since the start of the process
	return true
}

// oneLine is an error whose lines are separated by semicolons, for a log line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }

// Unwrap returns the error with its lines.
func (e oneLine) Unwrap() error { return e.error }

// apply makes the changed settings effective that can change while the service runs, and logs
// those that cannot. It returns the attributes of the audit line. next has no mistake.
func (s *node) apply(next *config.Config) []slog.Attr {
	before := s.live.now.Load()
	merged, changes, pending := before.Reloaded(next)
	if len(pending) > 0 {
		s.logger.Warn("settings have changed that take effect at the next start", "settings", texts(pending))
	}
	if err := s.origins.set(merged.AllowedOrigins); err != nil {
		s.logger.Error("the allowed origins stay as they were", "error", err)
	}
	if !slices.Equal(before.JWTSecret, merged.JWTSecret) {
		if err := s.verifier.SetSecrets(authOptions(merged)); err != nil {
			s.logger.Error("the shared secrets stay as they were", "error", err)
		}
	}
	s.verifier.SetMaxBytes(merged.TokenBytes)
	s.limits.set(merged)
	s.hub.SetLimits(s.hubLimits(merged))
	s.conns.setMax(s.maxNetworkConnections(merged))
	s.sockets.SetCommands(merged.Commands)
	if s.live.level != nil {
		s.live.level.configure(merged.LogLevel)
	}
	s.live.now.Store(merged)
	return []slog.Attr{slog.Any("changed", texts(changes))}
}

func texts(changes []config.Change) []string {
	all := make([]string, len(changes))
	for i, c := range changes {
		all[i] = c.String()
	}
	return all
}
