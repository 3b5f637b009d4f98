package app

import (
	"context"
	"os"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// Serve runs the service until ctx ends. It logs to out, and reads its files again
// at each hangup.
func Serve(ctx context.Context, cfg *config.Config, out *telemetry.Output, hangups <-chan os.Signal) error {
	log := telemetry.NewLog(out, cfg.LogLevel, cfg.LogFormat)
	defer log.Close()
	limitHeap(log.Logger)
	return Run(ctx, cfg, Options{Log: log, Hangups: hangups})
}
