package store

import (
	"fmt"
	"log/slog"
)

// logger passes Pebble's log to slog.
type logger struct {
	log   *slog.Logger
	fatal func(error)
}

// Infof implements pebble.Logger.
func (l logger) Infof(format string, args ...any) {
	l.log.Debug("message of Pebble", "message", fmt.Sprintf(format, args...))
}

// Errorf implements pebble.Logger.
func (l logger) Errorf(format string, args ...any) {
	l.log.Error("error of Pebble", "message", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. It must not return.
func (l logger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf("the store failed and cannot continue: "+format, args...))
}
