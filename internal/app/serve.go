package app

import (
	"context"
	"io"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// Serve runs the service until ctx ends. It logs to stderr.
func Serve(ctx context.Context, cfg *config.Config, stderr io.Writer) error {
	logger := telemetry.NewLogger(stderr, cfg.LogLevel, cfg.LogFormat)
	limitHeap(logger)
	return Run(ctx, cfg, Options{Logger: logger})
}
