package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// accessTimeout is how long a ticket or a revocation may take to be durable.
const accessTimeout = 10 * time.Second

// authenticated lets h serve those who present a valid token or API key, as
// often as they may ask, and nobody keep the answer.
func (a *api) authenticated(h func(echo.Context, notify.Principal) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header()[echo.HeaderCacheControl] = noStore
		token, err := auth.Bearer(c.Request())
		if err != nil {
			return err
		}
		by, err := a.Verifier.Verify(c.Request().Context(), token)
		if err != nil {
			return err
		}
		if err := a.Requests.Allow(by); err != nil {
			limit.Delay(c.Request().Context())
			return err
		}
		return h(c, by)
	}
}

// admitted lets h serve those who may open a connection, with the principal and
// the slot in the request's context. It makes all checks of the contract in
// their order.
func (a *api) admitted(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
		r := c.Request()
		by, err := a.identify(r)
		if err != nil {
			return err
		}
		if _, allowed := a.origin(r); !allowed {
			return auth.RefusedOrigin(r.Header[echo.HeaderOrigin])
		}
		if _, err := readQuery(r.URL.RawQuery, "cursor", "ticket"); err != nil {
			return err
		}
		slot, err := a.admit(by, address(c))
		if err != nil {
			return err
		}
		defer slot.Release() // unless a connection has come of it
		c.SetRequest(r.WithContext(hub.WithSlot(auth.WithPrincipal(r.Context(), by), slot)))
		return h(c)
	}
}

// identify returns the user who connects. A ticket is used up wherever it is
// shown, be it that a later check fails.
func (a *api) identify(r *http.Request) (notify.Principal, error) {
	credential, err := auth.Carrier(r)
	if err != nil {
		return notify.Principal{}, err
	}
	if credential.Ticket != "" {
		ctx, cancel := context.WithTimeout(r.Context(), accessTimeout)
		defer cancel()
		return a.Access.RedeemTicket(ctx, credential.Ticket)
	}
	by, err := a.Verifier.Verify(r.Context(), credential.Token)
	if err == nil && by.User == "" {
		err = notify.Errorf(notify.ErrTokenInvalid, "an API key is no user: connect with the token of one")
	}
	return by, err
}

// admit holds an address and a principal to their limits, and this process to its
// own.
func (a *api) admit(by notify.Principal, from netip.Addr) (*hub.Slot, error) {
	if err := a.Handshakes.Allow(limit.AddressKey(from), 1); err != nil {
		return nil, err
	}
	if err := a.Requests.Allow(by); err != nil {
		return nil, err
	}
	return a.Admitter.Admit(from)
}

// issueTicket serves POST /tickets.
func (a *api) issueTicket(c echo.Context, by notify.Principal) error {
	if err := a.Tickets.Allow(by.Name, 1); err != nil { // each is an entry of the journal
		return err
	}
	if err := a.noBody(c, by); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	ticket, err := a.Access.IssueTicket(ctx, by)
	if err != nil {
		return err
	}
	return answer(c, http.StatusCreated, struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int    `json:"expires_in"`
	}{ticket, int(notify.TicketLifetime / time.Second)})
}

// noBody returns an error if c brings more than an empty object, as some
// clients cannot but do.
func (a *api) noBody(c echo.Context, by notify.Principal) error {
	if r := c.Request(); r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	body, err := a.readJSON(c, by.Name, maxOtherBody, &a.pools.others)
	if err != nil {
		return err
	}
	return wire.Nothing(body)
}
