package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

const problemJSON = "application/problem+json"

// answerProblem returns the one place where an error becomes an answer. What
// is of no kind in package notify is logged here, under the id by which its
// caller can ask for it.
func answerProblem(logger *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		err = known(err)
		p := problemOf(err, c, logger)
		if c.Response().Committed { // too late to say so
			return
		}
		explain(c.Response().Header(), err, p.Status, c.Request().ProtoMajor)
		// A caller that has left is not told, and nobody else cares.
		body := p.JSON()
		c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body))) // it may be flushed early
		_ = c.Blob(p.Status, problemJSON, body)
	}
}

// problemOf returns the problem that err is, as one of this request.
func problemOf(err error, c echo.Context, logger *slog.Logger) wire.Problem {
	p := wire.ProblemOf(err)
	id := requestID(c)
	p.Instance = "urn:uuid:" + id
	if p.Status == http.StatusInternalServerError {
		logger.Error("request failed", "id", id, "route", c.Path(), "error", err)
	}
	return p
}

// known translates the router's errors into the service's.
func known(err error) error {
	var h *echo.HTTPError
	if !errors.As(err, &h) {
		return err
	}
	switch h.Code {
	case http.StatusNotFound:
		return notify.Errorf(notify.ErrNotFound, "no such path")
	case http.StatusMethodNotAllowed:
		return notify.Errorf(notify.ErrMethod, "the header Allow lists those that are")
	}
	return err
}

// retryAfter is how long to wait where the error itself does not say. An
// unavailable store is not back in a second; everything else may be.
const (
	retryAfter            = time.Second
	retryAfterUnavailable = 5 * time.Second
)

// explain sets the headers that go with an error.
func explain(h http.Header, err error, status, protoMajor int) {
	switch status {
	case http.StatusUnauthorized:
		challenge := "Bearer"
		if !errors.Is(err, notify.ErrUnauthenticated) {
			challenge = `Bearer error="invalid_token"`
		}
		h.Set(echo.HeaderWWWAuthenticate, challenge)
	case http.StatusForbidden:
		if errors.Is(err, notify.ErrScope) {
			h.Set(echo.HeaderWWWAuthenticate, `Bearer error="insufficient_scope"`)
		}
	case http.StatusTooManyRequests:
		h.Set(echo.HeaderRetryAfter, strconv.FormatInt(wait(err), 10))
		explainRate(h, err)
	case http.StatusConflict, http.StatusServiceUnavailable:
		h.Set(echo.HeaderRetryAfter, strconv.FormatInt(wait(err), 10))
	case http.StatusUpgradeRequired:
		h.Set("Sec-WebSocket-Version", webSocketVersion)
		if protoMajor == 1 { // HTTP/2 forbids both
			h.Set(echo.HeaderUpgrade, "websocket")
			h.Add(echo.HeaderConnection, "Upgrade") // beside "close", which must stay
		}
	}
}

// explainRate says which limit was reached, as revision 11 of
// draft-ietf-httpapi-ratelimit-headers has it: of quota q in a window of w
// seconds, or at a time, r is left, and there is more in t seconds.
func explainRate(h http.Header, err error) {
	var e *notify.Error
	if !errors.As(err, &e) || e.Rate.Name == "" {
		return
	}
	policy := fmt.Sprintf("%q;q=%d", e.Rate.Name, e.Rate.Quota)
	if e.Rate.Window > 0 {
		policy += fmt.Sprintf(";w=%d", int64(e.Rate.Window/time.Second))
	} else {
		policy += `;qu="concurrent-requests"`
	}
	h.Set("RateLimit-Policy", policy)
	h.Set("RateLimit", fmt.Sprintf("%q;r=0;t=%d", e.Rate.Name, wait(err)))
}

// wait returns how many seconds to wait after err, at least one.
func wait(err error) int64 {
	after := retryAfter
	if errors.Is(err, notify.ErrUnavailable) {
		after = retryAfterUnavailable
	}
	var e *notify.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		after = e.RetryAfter
	}
	return int64((after + time.Second - 1) / time.Second)
}
