package cli

import (
	"context"
	"time"
)

// retryPause is the time between two attempts of retry.
const retryPause = 200 * time.Millisecond

// retry calls do until it succeeds, for a time at most, and returns its last error. Each new reason
// for waiting is printed. Without a time it calls do once.
func (t *terminal) retry(limit time.Duration, do func(context.Context) error) error {
	if limit <= 0 {
		return do(t.ctx)
	}
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	var last error
	for {
		err := do(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && last != nil: // it was cut off
			return last
		case last == nil || err.Error() != last.Error():
			t.note("waiting: %s", printable(err.Error()))
		}
		last = err
		if sleep(ctx, retryPause) != nil {
			return err
		}
	}
}
