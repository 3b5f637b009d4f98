package app

import (
	"context"
	"errors"
	"os"
)

// followHangups reads the files again at each signal, until ctx ends.
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

// reload reads all files of keys and the certificate immediately.
func (s *node) reload(ctx context.Context) {
	err := s.verifier.Reload(ctx)
	if s.certificate != nil {
		err = errors.Join(err, s.certificate.Reload(ctx))
	}
	if err != nil {
		s.logger.Error("files reloaded in part; those that failed keep their last good version", "audit", true, "error", err)
		return
	}
	s.logger.Info("files reloaded", "audit", true)
}
