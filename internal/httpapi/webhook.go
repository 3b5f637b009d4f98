package httpapi

import (
	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// orSigned lets a signature stand for a token: what is signed as Standard
// Webhooks has it is served as a webhook's, all else by h.
func (a *api) orSigned(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if auth.IsWebhook(c.Request().Header) {
			return a.publishSigned(c)
		}
		return h(c)
	}
}

// publishSigned serves POST /notify for a webhook. The signature is over the
// body, so that is read before it is known whose it is.
func (a *api) publishSigned(c echo.Context) error {
	h := c.Response().Header()
	h.Set(echo.HeaderCacheControl, "no-store")
	asked := c.Request().Header
	switch {
	case len(asked.Values(echo.HeaderAuthorization)) > 0:
		return notify.Errorf(notify.ErrMalformed, "there is a signature and an Authorization: send one of them")
	case len(asked.Values("Idempotency-Key")) > 0:
		return notify.Errorf(notify.ErrMalformed, "the idempotency key of a webhook is its webhook-id: send no other")
	}
	if err := a.Verifier.CheckWebhook(asked); err != nil {
		return err
	}
	by, id, body, err := a.readSigned(c)
	if err != nil {
		return err
	}
	if err := a.Requests.Allow(by); err != nil {
		return err
	}
	if err := by.MayPublish(); err != nil {
		return err
	}
	return a.publishBody(c, by, service.Call{Path: notifyPath, Key: id}, body)
}

// readSigned reads a body and finds out whose it is.
func (a *api) readSigned(c echo.Context) (by notify.Principal, id string, body []byte, err error) {
	if body, err = a.readJSON(c, "", maxNotifyBody, &a.pools.unsigned); err != nil {
		return by, "", nil, err
	}
	by, id, err = a.Verifier.VerifyWebhook(c.Request().Header, body)
	return by, id, body, err
}
