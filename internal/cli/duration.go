package cli

import (
	"fmt"
	"reflect"
	"time"

	"github.com/alecthomas/kong"

	"github.com/bellhop/bellhop/internal/config"
)

// durationMapper reads flags that are durations, in the form of settings and in that of Go.
func durationMapper() kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
			return err
		}
		d, err := parseDuration(text)
		target.SetInt(int64(d))
		return err
	})
}

// parseDuration accepts what settings accept, and parts of a second besides.
func parseDuration(text string) (time.Duration, error) {
	if d, ok := config.Duration(text); ok {
		return d, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a duration such as 30d, 12h, 5m, 90s or 1h30m nor a number of seconds", text)
	}
	return d, nil
}
