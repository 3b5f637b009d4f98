package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// connection is an open connection as JSON.
type connection struct {
	Connection string `json:"connection"`
	Transport  string `json:"transport"`
	Node       string `json:"node"`
	Since      string `json:"since"`
	Address    string `json:"address,omitempty"`
}

// connectionList is the answer to GET /users/{user}/connections.
type connectionList struct {
	Connections []connection `json:"connections"`
	Incomplete  []string     `json:"incomplete,omitempty"` // names of nodes that have not answered
}

// connectionsOf serves GET /users/{user}/connections.
func (a *api) connectionsOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	open, err := a.Service.Connections(c.Request().Context(), by, user)
	if err != nil {
		return err
	}
	all := []connection{}
	for _, o := range open.Open {
		shown := connection{Connection: o.ID, Transport: o.Transport, Node: o.Node, Since: wire.Time(o.Since)}
		if o.Address.IsValid() && !o.Address.IsUnspecified() {
			shown.Address = o.Address.String()
		}
		all = append(all, shown)
	}
	return answer(c, http.StatusOK, connectionList{all, open.Incomplete})
}

// disconnect serves DELETE /users/{user}/connections.
func (a *api) disconnect(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	aim(c, string(user))
	if err := a.Service.Disconnect(c.Request().Context(), by, user); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// userOf returns the user that the path names. A name that no token can have is not
// found.
func userOf(c echo.Context) (notify.UserID, error) {
	name, err := pathName(c, "user")
	if err != nil {
		return "", err
	}
	user, err := notify.ParseUser(name)
	if err != nil {
		return "", notify.Errorf(notify.ErrNotFound,
			`the user in the path is not valid: it must have 1 to %d bytes without white space or control characters, and not be "." or ".."`, notify.MaxUserBytes)
	}
	return user, nil
}

// revoke serves POST /revocations.
func (a *api) revoke(c echo.Context, by notify.Principal) error {
	body, err := a.readJSON(c, by.Name, maxOtherBody, &a.budgets.operators)
	if err != nil {
		return err
	}
	revocation, err := wire.Revocation(body)
	if err != nil {
		return err
	}
	aim(c, targetOf(revocation))
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	if err := a.Service.Revoke(ctx, by, revocation); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// targetOf returns the tokens that r revokes, for the log.
func targetOf(r notify.Revocation) string {
	switch {
	case r.TokenID == "" && r.Before.IsZero():
		return fmt.Sprintf("tokens of %s", r.User)
	case r.TokenID == "":
		return fmt.Sprintf("tokens of %s before %s", r.User, wire.Time(r.Before))
	case r.Issuer == "":
		return "jti " + r.TokenID
	}
	return fmt.Sprintf("jti %s of %s", r.TokenID, r.Issuer)
}
