package cli

import (
	"errors"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
)

// purpose is what settings are read for.
type purpose uint8

const (
	// forClient reads no file that settings name: a running service continues with the
	// last good content of a file that is broken now, and clients must still find it.
	forClient purpose = iota
	forShow
	forService // which needs a key
)

// settings returns the effective settings, or every mistake in them and in the files
// that they name.
func (t *terminal) settings(what purpose) (*config.Config, error) {
	cfg, err := config.Load(config.Sources{Flags: t.flags, Environ: t.environ, NeedKey: what == forService})
	var mistakes config.Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		return nil, err
	}
	if what != forClient {
		mistakes = append(mistakes, app.Check(t.ctx, cfg)...)
	}
	if len(mistakes) > 0 {
		return cfg, mistakes
	}
	return cfg, nil
}
