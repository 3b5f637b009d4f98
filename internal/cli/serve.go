package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
)

type serveCommand struct {
	Settings config.Config `embed:""`
}

// Help says where settings come from.
func (*serveCommand) Help() string {
	return "Settings come from flags, the environment and the YAML file. A flag has precedence over the environment, and the environment " +
		"over the file. BELLHOP_JWT_SECRET is never a flag. Example: bellhop serve --config bellhop.yaml"
}

// Run serves until it is asked to stop.
func (*serveCommand) Run(t *terminal) error {
	t.detach()
	hangups := catchHangups()
	cfg, err := t.settings(forService)
	if err != nil {
		return err
	}
	log := t.newLog(cfg.LogLevel, cfg.LogFormat)
	defer log.Close()
	app.LimitHeap(log.Logger)
	sources := t.sources()
	return app.Run(t.ctx, cfg, app.Options{Log: log, Hangups: hangups, Sources: &sources})
}

// ignoreBrokenPipes keeps a command that serves running after the reader of its
// stdout or stderr has gone: writing there then fails instead of raising SIGPIPE,
// which would end the process. Other commands end as a shell expects, for
// instance in "bellhop listen | head".
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }

// catchHangups returns the SIGHUPs that the process receives from now on. They no
// longer end the process, not even when its terminal is closed.
func catchHangups() <-chan os.Signal {
	hangups := make(chan os.Signal, 1) // one pending signal stands for all that follow it
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}
