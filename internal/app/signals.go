package app

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// survivePipes keeps a command that serves alive when nobody reads its stdout or
// stderr any more: writing there fails instead of raising SIGPIPE, which would end
// the process. The other commands end as users of a shell expect, for instance in
// "bellhop listen | head".
func survivePipes() { signal.Ignore(syscall.SIGPIPE) }

// catchHangups returns the SIGHUPs that the process gets from now on. They no longer
// end it, not even when its terminal is closed.
func catchHangups() <-chan os.Signal {
	hangups := make(chan os.Signal, 1) // one that waits stands for all that come meanwhile
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// followHangups reads the files again at each hangup, until ctx ends.
func (s *node) followHangups(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			s.reload(ctx)
		}
	}
}

// reload reads all files of keys and the certificate now.
func (s *node) reload(ctx context.Context) {
	err := s.verifier.Reload(ctx)
	if s.certificate != nil {
		err = errors.Join(err, s.certificate.Reload(ctx))
	}
	if err != nil {
		s.logger.Error("files were reloaded in part; the last good version of the others stays in force", "audit", true, "error", err)
		return
	}
	s.logger.Info("files were reloaded", "audit", true)
}
