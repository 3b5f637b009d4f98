package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/wire"
)

// response is the response to a request. It logs each error with which the request is
// answered, be it by a handler of this package, a transport or a page: that is the one place
// where refusals are logged.
type response struct {
	*echo.Response

	c       echo.Context
	reports *reports
}

// reports writes the audit lines of a listener, and counts refusals.
type reports struct {
	logger   *slog.Logger
	metrics  audit.Metrics // nil: refusals are not counted
	basePath string        // of the listener's paths
}

func (r *reports) response(c echo.Context) response { return response{c.Response(), c, r} }

// Refused receives the error with which problem.Respond answers.
func (w response) Refused(err error) {
	audit.Refused(w.c.Request().Context(), w.reports.logger, w.reports.metrics, w.reports.line(w.c, err), err)
}

// answerProblem answers the errors of all routes.
func (r *reports) answerProblem(err error, c echo.Context) {
	err = fromRouter(err)
	w := r.response(c)
	if c.Response().Committed {
		w.Refused(err)
		return
	}
	problem.Respond(w, c.Request(), err)
}

// wrap returns the handler of a page or a transport.
func (r *reports) wrap(h http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		h.ServeHTTP(r.response(c), c.Request())
		return nil
	}
}

// refusal is an error after the authentication of its caller.
type refusal struct {
	error

	by notify.Principal
}

func (r *refusal) Unwrap() error { return r.error }

// line returns the subject of a line about a request. err, if it is not nil, is that with
// which the request is answered.
func (r *reports) line(c echo.Context, err error) audit.Line {
	l := audit.Line{
		Action: method(c.Request()) + " " + r.route(c),
		IDs:    append(requestIDs(c.Response().Header(), c.Request()), slog.String("address", c.RealIP())),
	}
	if by, ok := auth.PrincipalOf(c.Request().Context()); ok {
		l.By = by
	}
	if known, ok := errors.AsType[*refusal](err); ok {
		l.By = known.by
	}
	if action, ok := c.Get(actionKey).(*action); ok {
		l.Action, l.By, l.Target, l.Operates = action.name, action.by, action.target, true
	}
	if l.Target == "" {
		aimAtPath(&l, c)
	}
	return l
}

// aimAtPath sets the target of a line to the user, the topic or the ID that the path of the request has, so
// that it says whose inbox or which notification was asked for. The route says which of them it is; no route
// has several. Any other text in the place of an ID may be a secret, and is not logged.
func aimAtPath(l *audit.Line, c echo.Context) {
	switch id := c.Param("id"); {
	case c.Param("user") != "":
		name, _ := pathName(c, "user") // empty after an error, which the caller receives
		l.TargetUser = notify.UserID(name)
	case c.Param("topic") != "":
		l.Target, _ = pathName(c, "topic")
	case wire.IsID(id):
		l.Target = id
	}
}

// action is what an operator does.
type action struct {
	name   string
	by     notify.Principal
	target string // empty: not known yet
}

// actionKey is the key of requests that have an *action.
const actionKey = "action"

// acting serves an action that changes something on behalf of an operator, and logs that it
// was carried out. h names the target with aim as soon as it is known.
func (a *api) acting(name string, h handler) echo.HandlerFunc {
	return a.operating(func(c echo.Context, by notify.Principal) error {
		c.Set(actionKey, &action{name: name, by: by})
		if err := h(c, by); err != nil {
			return err
		}
		audit.Done(c.Request().Context(), a.Logger, a.reports.line(c, nil))
		return nil
	})
}

// aim sets the target of the action that c requests.
func aim(c echo.Context, target string) {
	if action, ok := c.Get(actionKey).(*action); ok {
		action.target = target
	}
}

// refusedItem logs that an item of a batch was refused.
func (a *api) refusedItem(c echo.Context, by notify.Principal, item int, err error) {
	l := a.reports.line(c, &refusal{err, by})
	l.IDs = append(l.IDs, slog.Int("item", item))
	audit.Refused(c.Request().Context(), a.Logger, a.Metrics, l, err)
}

// route returns the pattern that the request's path matched, without the base path.
func (r *reports) route(c echo.Context) string {
	if route := strings.TrimPrefix(c.Path(), r.basePath); route != "" {
		return route
	}
	return "other"
}

// method returns the method of a request if it is a usual one: a caller may send any text.
func method(r *http.Request) string {
	switch m := r.Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
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
