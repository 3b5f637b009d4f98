package cli

import (
	"errors"
	"slices"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/config"
)

// purpose is what settings are read for.
type purpose uint8

const (
	// forClient reads no file that settings name: a service that runs goes on
	// with what a broken one last held, and a client must find it.
	forClient purpose = iota
	forShow
	forService // which needs a key
)

// settings returns the effective settings, or every mistake in them and in the
// files that they name.
func (t *terminal) settings(what purpose) (*config.Config, error) {
	cfg, err := config.Load(config.Sources{
		Flags: t.flags, Environ: t.environ, NeedKey: what == forService, NoFiles: what == forClient,
	})
	var mistakes config.Mistakes
	if err != nil && !errors.As(err, &mistakes) {
		return nil, err
	}
	if what != forClient {
		for _, found := range app.Check(t.ctx, cfg) {
			reported := slices.ContainsFunc(mistakes, func(m config.Mistake) bool { return m.Name == found.Name })
			if !reported { // config.Load reports a file that cannot be opened
				mistakes = append(mistakes, found)
			}
		}
	}
	if len(mistakes) > 0 {
		return cfg, mistakes
	}
	return cfg, nil
}
