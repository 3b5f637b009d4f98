package httpapi

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// answerProblem returns the handler that answers the errors of all routes.
func answerProblem(logger *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		err = fromRouter(err)
		logInternal(err, c, logger)
		if !c.Response().Committed {
			problem.Respond(c.Response(), c.Request(), err)
		}
	}
}

// logInternal logs err, with the ID that its client received, if clients learn
// nothing else about it.
func logInternal(err error, c echo.Context, logger *slog.Logger) {
	if problem.Of(err).Status == http.StatusInternalServerError {
		logger.Error("request failed", "id", requestID(c), "route", c.Path(), "error", err)
	}
}

// fromRouter translates the errors of Echo's router into those of package notify.
func fromRouter(err error) error {
	var h *echo.HTTPError
	if !errors.As(err, &h) {
		return err
	}
	switch h.Code {
	case http.StatusNotFound:
		return notify.Errorf(notify.ErrNotFound, "no such path")
	case http.StatusMethodNotAllowed:
		return notify.Errorf(notify.ErrMethod, "the header Allow lists the methods of this path")
	}
	return err
}
