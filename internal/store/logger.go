package store

import (
	"fmt"
	"log/slog"
	"runtime"
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
	l.fatal(fmt.Errorf(cannotContinue+format, args...))
}

const cannotContinue = "the store failed and cannot continue: "

// attempt calls a function of Pebble that writes. Some errors of the disk, such as those of a write to the
// log that is not synced and those of a new log, are panics in Pebble, which holds its locks then. They
// end the process in the same way as those that Pebble calls fatal. Panics of faults in the program go on.
func (s *Store) attempt(write func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			panic(p)
		case error:
			s.fatal(fmt.Errorf(cannotContinue+"%w", p))
		default:
			panic(p)
		}
	}()
	return write()
}
