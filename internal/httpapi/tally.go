package httpapi

import (
	"log/slog"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// tally has the numbers of the notifications that a request has published, of the idempotency keys that
// are kept for them, and of those among them that are deferred. The line about the request has them, so
// that an operator finds the publishers that fill the store.
type tally struct{ published, keys, deferred int }

// tallyKey is the key of requests that have a tally.
const tallyKey = "tally"

// add counts a notification that was published. A repeat adds nothing to the store.
func (t *tally) add(call service.Call, d *notify.Draft, r notify.Receipt) {
	if r.Duplicate {
		return
	}
	t.published++
	if call.Key != "" {
		t.keys++
	}
	if !d.DeliverAt.IsZero() {
		t.deferred++
	}
}

// noteTally keeps t for the line about the request, if that is written.
func (a *api) noteTally(c echo.Context, t tally) {
	if a.Logger.Enabled(c.Request().Context(), slog.LevelDebug) {
		c.Set(tallyKey, t)
	}
}

// published returns the attributes of the line about a request that name its caller. If the request has
// published, they have its tally too, and the name of a backend, as audit lines have it.
func published(c echo.Context) []slog.Attr {
	ctx := c.Request().Context()
	t, ok := c.Get(tallyKey).(tally)
	by, known := auth.PrincipalOf(ctx)
	if !ok || !known {
		return caller(ctx)
	}
	return append(audit.Principal(by),
		slog.Int("published", t.published), slog.Int("idempotency_keys", t.keys), slog.Int("deferred", t.deferred))
}
