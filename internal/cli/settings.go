package cli

import (
	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
)

// purpose is the reason for which settings are read.
type purpose uint8

const (
	// forClient is for commands that use a running service. It does not read the files
	// that settings name: if one is broken now, the service continues with its last good
	// content, and these commands must still work.
	forClient  purpose = iota
	forShow            // for bellhop config
	forService         // for serve, which requires a key
)

// settings returns the effective settings, or every mistake in them and in the files
// that they name.
func (t *terminal) settings(p purpose) (*config.Config, error) {
	from := t.sources()
	from.NeedKey = p == forService
	if p == forClient {
		cfg, err := config.Load(from)
		return cfg, err
	}
	return app.LoadSettings(t.ctx, from)
}

// sources are those of all settings.
func (t *terminal) sources() config.Sources {
	return config.Sources{Flags: t.flags, Environ: t.environ}
}
