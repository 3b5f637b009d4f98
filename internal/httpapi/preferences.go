package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// preferences serves GET /preferences.
func (a *api) preferences(c echo.Context, by notify.Principal) error {
	return a.answerPreferences(c, by, by.User)
}

// preferencesOf serves GET /users/{user}/preferences.
func (a *api) preferencesOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	return a.answerPreferences(c, by, user)
}

func (a *api) answerPreferences(c echo.Context, by notify.Principal, user notify.UserID) error {
	p, err := a.Service.Preferences(c.Request().Context(), by, user)
	if err != nil {
		return err
	}
	return a.sendPage(c, by, wire.AppendPreferences(nil, &p))
}

// setPreferences serves PUT /preferences.
func (a *api) setPreferences(c echo.Context, by notify.Principal) error {
	return a.putPreferences(c, by, by.User, &a.budgets.others)
}

// setPreferencesOf serves PUT /users/{user}/preferences.
func (a *api) setPreferencesOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	aim(c, string(user))
	return a.putPreferences(c, by, user, &a.budgets.operators)
}

// putPreferences replaces the preferences of a user, and answers with the new ones.
func (a *api) putPreferences(c echo.Context, by notify.Principal, user notify.UserID, from *budget) error {
	body, err := a.readJSON(c, by.Name, maxOtherBody, from)
	if err != nil {
		return err
	}
	p, err := wire.Preferences(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	if err := a.Service.SetPreferences(ctx, by, notify.UserPreferences{User: user, Preferences: p}); err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, wire.AppendPreferences(nil, &p))
}
