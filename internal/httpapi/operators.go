package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Admitter admits connections within their limits: package hub.
type Admitter interface {
	Admit(address netip.Addr) (*hub.Slot, error)
}

// Operators are shown who is connected, and end connections: package service.
type Operators interface {
	Connections(ctx context.Context, by notify.Principal, u notify.UserID) ([]notify.Connection, error)
	Disconnect(ctx context.Context, by notify.Principal, u notify.UserID) error
}

// operating lets h serve operators.
func (a *api) operating(h func(echo.Context, notify.Principal) error) echo.HandlerFunc {
	return a.authenticated(func(c echo.Context, by notify.Principal) error {
		if err := by.May(notify.ScopeAdmin); err != nil {
			return err
		}
		return h(c, by)
	})
}

// connection is an open connection as operators read it.
type connection struct {
	Connection string `json:"connection"`
	Transport  string `json:"transport"`
	Node       string `json:"node"`
	Since      string `json:"since"`
	Address    string `json:"address,omitempty"`
}

// connectionsOf serves GET /users/{user}/connections.
func (a *api) connectionsOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	open, err := a.Operators.Connections(c.Request().Context(), by, user)
	if err != nil {
		return err
	}
	all := []connection{}
	for _, o := range open {
		told := connection{Connection: o.ID, Transport: o.Transport, Node: o.Node, Since: wire.Time(o.Since)}
		if o.Address.IsValid() && !o.Address.IsUnspecified() {
			told.Address = o.Address.String()
		}
		all = append(all, told)
	}
	return answer(c, http.StatusOK, map[string]any{"connections": all})
}

// disconnect serves DELETE /users/{user}/connections.
func (a *api) disconnect(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	if err := a.Operators.Disconnect(c.Request().Context(), by, user); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// userOf returns the user whom the path names. One whom no token can name does
// not exist.
func userOf(c echo.Context) (notify.UserID, error) {
	name := c.Param("user")
	if c.Request().URL.RawPath != "" { // then the router has not decoded it
		decoded, err := url.PathUnescape(name)
		if err != nil {
			return "", notify.Errorf(notify.ErrMalformed, "the path cannot be read")
		}
		name = decoded
	}
	user, err := notify.ParseUser(name)
	if err != nil {
		return "", notify.Errorf(notify.ErrNotFound, "no user has such a name")
	}
	return user, nil
}

// revoke serves POST /revocations.
func (a *api) revoke(c echo.Context, by notify.Principal) error {
	body, err := a.readJSON(c, by.Name, maxOtherBody, &a.pools.operators)
	if err != nil {
		return err
	}
	revocation, err := wire.Revocation(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	if err := a.Access.Revoke(ctx, by, revocation); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
