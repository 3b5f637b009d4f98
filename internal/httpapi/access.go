package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Verifier authenticates callers: package auth.
type Verifier interface {
	// Verify returns the principal of a token or API key. Its errors are of the kinds
	// ErrTokenInvalid, ErrTokenExpired, ErrTokenRevoked and ErrUnavailable.
	Verify(ctx context.Context, token string) (notify.Principal, error)

	// CheckWebhook checks the headers of a signed request before its body is read.
	// VerifyWebhook checks the signature over body, and returns the principal and the
	// ID of the request. Their errors may also be of the kinds ErrUnauthenticated and
	// ErrMalformed.
	CheckWebhook(h http.Header) error
	VerifyWebhook(h http.Header, body []byte) (by notify.Principal, id string, err error)
}

// handler serves an authenticated request.
type handler func(echo.Context, notify.Principal) error

// bearer returns the principal of the token or API key of a request.
func (a *API) bearer(r *http.Request) (notify.Principal, error) {
	token, err := auth.Bearer(r)
	if err != nil {
		return notify.Principal{}, err
	}
	return a.Verifier.Verify(r.Context(), token)
}

// authenticated serves callers that have a valid token or API key and are within their
// rate of requests. No cache may store the answer.
func (a *api) authenticated(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header()[echo.HeaderCacheControl] = noStore
		by, err := a.caller(c.Request())
		if err != nil {
			return err
		}
		a.noteCaller(c, by)
		if err := a.Requests.Allow(by); err != nil {
			limit.Delay(c.Request().Context())
			return &refusal{err, by}
		}
		if err := h(c, by); err != nil {
			return &refusal{err, by}
		}
		return nil
	}
}

// noteCaller keeps the caller for the line about the request, if that is written.
func (a *api) noteCaller(c echo.Context, by notify.Principal) {
	r := c.Request()
	if a.Logger.Enabled(r.Context(), slog.LevelDebug) {
		c.SetRequest(r.WithContext(auth.WithPrincipal(r.Context(), by)))
	}
}

// publishing serves callers that may publish at all. The bodies of others are not read.
func (a *api) publishing(h handler) echo.HandlerFunc {
	return a.authenticated(func(c echo.Context, by notify.Principal) error {
		if err := by.MayPublish(); err != nil {
			return err
		}
		return h(c, by)
	})
}

// operating serves operators.
func (a *api) operating(h handler) echo.HandlerFunc {
	return a.authenticated(func(c echo.Context, by notify.Principal) error {
		if err := by.May(notify.ScopeAdmin); err != nil {
			return err
		}
		return h(c, by)
	})
}

// accessTimeout bounds the time until a ticket, a redemption, a revocation or a recall
// is durable.
const accessTimeout = 10 * time.Second

// issueTicket serves POST /tickets.
func (a *api) issueTicket(c echo.Context, by notify.Principal) error {
	if err := a.Tickets.Allow(by.Name, 1); err != nil { // each ticket is an entry of the journal
		return err
	}
	if err := a.checkNoBody(c, by); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	ticket, err := a.Service.IssueTicket(ctx, by)
	if err != nil {
		return err
	}
	return answer(c, http.StatusCreated, struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}{ticket, int(notify.TicketLifetime / time.Second)})
}

// checkNoBody returns an error if c has a body that is more than an empty object. Some
// clients cannot send a POST without a body.
func (a *api) checkNoBody(c echo.Context, by notify.Principal) error {
	if !hasBody(c.Request()) {
		return nil
	}
	body, err := a.readJSON(c, by.Name, maxOtherBody, &a.budgets.others)
	if err != nil {
		return err
	}
	return wire.Nothing(body)
}
