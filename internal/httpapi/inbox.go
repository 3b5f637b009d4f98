package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// How many notifications a page of an inbox has at most.
const (
	pageMost    = 100
	pageDefault = 50
)

// list serves GET /inbox.
func (a *api) list(c echo.Context, by notify.Principal) error {
	q, err := inboxQuery(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.Inbox.List(c.Request().Context(), by, q)
	if err != nil {
		return err
	}
	return a.sendPage(c, by, wire.AppendInboxPage(nil, &page))
}

// sendPage answers with a page of an inbox. A client may take it slowly, so the
// page counts in the share of its address and principal until it is sent.
func (a *api) sendPage(c echo.Context, by notify.Principal, page []byte) error {
	holder := limit.Holder{Address: limit.AddressKey(address(c)), Principal: by.Name}
	size := int64(len(page))
	if !a.pools.answers.Take(holder, size, 0) {
		return notify.Errorf(notify.ErrUnavailable, "too many pages are being sent at once")
	}
	defer a.pools.answers.Give(holder, size)
	return answerJSON(c, http.StatusOK, page)
}

// inboxQuery reads the parameters of GET /inbox. An empty one is absent.
func inboxQuery(query string) (q service.Query, err error) {
	values, err := readQuery(query, "limit", "before", "state")
	if err != nil {
		return q, err
	}
	q.Before, q.Limit = values.Get("before"), pageDefault
	if limit := values.Get("limit"); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 8)
		if err != nil || n < 1 || n > pageMost {
			return q, notify.Errorf(notify.ErrMalformed, "limit must be from 1 to %d", pageMost)
		}
		q.Limit = int(n)
	}
	switch q.State = notify.InboxState(values.Get("state")); q.State {
	case notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived, notify.StateAll:
		return q, nil
	default:
		return q, notify.Errorf(notify.ErrMalformed, "state must be unread, read, archived or all")
	}
}

// marking returns what serves POST /inbox/read and its like. A caller that
// leaves ends nothing: a page may mark and leave.
func (a *api) marking(verb notify.Verb) func(echo.Context, notify.Principal) error {
	return func(c echo.Context, by notify.Principal) error {
		body, err := a.readJSON(c, by.Name, maxOtherBody, &a.pools.others)
		if err != nil {
			return err
		}
		which, err := wire.Marks(body)
		if err != nil {
			return err
		}
		unread, err := a.Inbox.Mark(a.patience.context(), by, verb, which)
		if err != nil {
			return err
		}
		return answerJSON(c, http.StatusOK, wire.AppendUnread(nil, unread))
	}
}

// recall serves DELETE /notifications/{id}.
func (a *api) recall(c echo.Context, by notify.Principal) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	if err := a.Inbox.Recall(ctx, by, c.Param("id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
