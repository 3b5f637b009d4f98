package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// livez serves GET /livez: whether a restart would help.
func (a *api) livez(c echo.Context) error {
	return a.health(c, a.Alive())
}

// readyz serves GET /readyz: whether this node should be sent new work.
func (a *api) readyz(c echo.Context) error {
	return a.health(c, a.Ready())
}

// health answers whether there is nothing wrong. What is wrong is always a 503,
// though it be of no kind that may be told: then the log has it.
func (a *api) health(c echo.Context, wrong error) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	if wrong == nil {
		return c.JSONBlob(http.StatusOK, []byte(`{"status":"ok"}`))
	}
	if problem.Of(wrong).Status != http.StatusServiceUnavailable {
		a.Logger.Warn("not healthy", "id", requestID(c), "route", a.route(c), "error", wrong)
		return notify.Errorf(notify.ErrUnavailable, "the store has failed")
	}
	return wrong
}
