package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Sizes of the pages of GET /topics/{topic}/members.
const (
	maxMembers     = 1_000
	defaultMembers = 100
)

// managing serves callers that may change the members of topics. The bodies of others are not
// read.
func (a *api) managing(h handler) echo.HandlerFunc {
	return a.authenticated(func(c echo.Context, by notify.Principal) error {
		if err := by.May(notify.ScopeTopics); err != nil {
			return err
		}
		return h(c, by)
	})
}

// changeMembers serves POST /topics/{topic}/members.
func (a *api) changeMembers(c echo.Context, by notify.Principal) error {
	topic, err := topicOf(c)
	if err != nil {
		return err
	}
	body, err := a.readJSON(c, by.Name, maxOtherBody, &a.budgets.operators)
	if err != nil {
		return err
	}
	e, err := wire.Members(body, topic)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	added, removed, err := a.Service.ChangeMembers(ctx, by, e)
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, wire.AppendMembersChanged(nil, added, removed))
}

// members serves GET /topics/{topic}/members.
func (a *api) members(c echo.Context, by notify.Principal) error {
	topic, err := topicOf(c)
	if err != nil {
		return err
	}
	values, err := readQuery(c.Request().URL.RawQuery, "limit", "after")
	if err != nil {
		return err
	}
	limit := defaultMembers
	if text := values.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxMembers {
			return notify.Errorf(notify.ErrMalformed, "the query parameter limit must be a number from 1 to %d", maxMembers)
		}
	}
	after := notify.UserID(values.Get("after"))
	if len(after) > notify.MaxUserBytes {
		return notify.Errorf(notify.ErrMalformed, "the query parameter after must be a user, of at most %d bytes", notify.MaxUserBytes)
	}
	users, more, err := a.Service.Members(c.Request().Context(), by, topic, after, limit)
	if err != nil {
		return err
	}
	var next notify.UserID
	if more {
		next = users[len(users)-1]
	}
	return a.sendPage(c, by, wire.AppendMembers(nil, users, next))
}

// topicsOf serves GET /users/{user}/topics.
func (a *api) topicsOf(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	topics, err := a.Service.TopicsOf(c.Request().Context(), by, user)
	if err != nil {
		return err
	}
	return a.sendPage(c, by, wire.AppendTopics(nil, topics))
}

// setTopics serves PUT /users/{user}/topics.
func (a *api) setTopics(c echo.Context, by notify.Principal) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	body, err := a.readJSON(c, by.Name, maxOtherBody, &a.budgets.operators)
	if err != nil {
		return err
	}
	e, err := wire.MemberTopics(body, user)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	added, removed, err := a.Service.SetTopics(ctx, by, e)
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, wire.AppendMembersChanged(nil, added, removed))
}

// topicOf returns the topic that the path names. A name that no topic can have is not found.
func topicOf(c echo.Context) (notify.Topic, error) {
	name, err := pathName(c, "topic")
	if err != nil {
		return "", err
	}
	topic, err := notify.ParseTopic(name)
	if err != nil {
		return "", notify.Errorf(notify.ErrNotFound,
			`the topic in the path is not valid: it must have 1 to %d bytes without white space, control characters and *, and not be "." or ".."`, notify.MaxUserBytes)
	}
	return topic, nil
}

// pathName returns a parameter of the path, decoded.
func pathName(c echo.Context, parameter string) (string, error) {
	name := c.Param(parameter)
	if c.Request().URL.RawPath == "" { // the router has decoded it
		return name, nil
	}
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return "", notify.Errorf(notify.ErrMalformed, "the path is not valid: it must be URL-encoded")
	}
	return decoded, nil
}
