package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bellhop/bellhop/internal/audit"
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

// reload reads the settings, all files of keys and the certificate immediately.
func (s *node) reload(ctx context.Context) {
	reloaded := audit.Line{Action: "reload", Target: "settings, files of keys and the certificate"}
	var err error
	if s.settings != nil {
		err = s.settings.Reload(ctx) // first, since it has the secrets
	}
	err = errors.Join(err, s.verifier.Reload(ctx))
	if s.certificate != nil {
		err = errors.Join(err, s.certificate.Reload(ctx))
	}
	if err != nil {
		audit.DoneInPart(ctx, s.logger, reloaded, fmt.Errorf("files that failed keep their last good version: %w", err))
		return
	}
	audit.Done(ctx, s.logger, reloaded)
}
