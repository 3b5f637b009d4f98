package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// The number of notifications on a page of an inbox.
const (
	maxPage     = 100
	defaultPage = 50
)

// list serves GET /inbox.
func (a *api) list(c echo.Context, by notify.Principal) error {
	q, err := inboxQuery(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	page, err := a.Service.List(c.Request().Context(), by, q)
	if err != nil {
		return err
	}
	return a.sendPage(c, by, wire.AppendInboxPage(nil, &page))
}

// sendPage answers with a page of an inbox. A slow client holds the page in memory, so
// the page counts in the share of its address and principal until it is sent.
func (a *api) sendPage(c echo.Context, by notify.Principal, page []byte) error {
	client := limit.Client{Address: limit.AddressKey(address(c)), Principal: by.Name}
	size := int64(len(page))
	if !a.budgets.pages.Take(client, size, 0) {
		return notify.Unavailable(notify.CauseBusy, "too many inbox pages are being sent at once; ask again")
	}
	defer a.budgets.pages.Give(client, size)
	return answerJSON(c, http.StatusOK, page)
}

// counts serves GET /inbox/counts.
func (a *api) counts(c echo.Context, by notify.Principal) error {
	f, grouping, err := countsQuery(c.Request().URL.RawQuery)
	if err != nil {
		return err
	}
	counts, err := a.Service.Counts(c.Request().Context(), by, f, grouping)
	if err != nil {
		return err
	}
	return a.sendPage(c, by, wire.AppendGroupedCounts(nil, counts, grouping))
}

// marking returns the handler of POST /inbox/seen, /inbox/read, /inbox/unread or
// /inbox/archive. The change goes on when the client disconnects: a page may close right after it has sent one.
func (a *api) marking(verb notify.Verb) handler {
	return func(c echo.Context, by notify.Principal) error {
		body, err := a.readJSON(c, by.Name, maxOtherBody, &a.budgets.others)
		if err != nil {
			return err
		}
		selection, err := wire.Marks(body)
		if err != nil {
			return err
		}
		counts, err := a.Service.Mark(a.timeout.context(), by, verb, selection)
		if err != nil {
			return err
		}
		return answerJSON(c, http.StatusOK, wire.AppendMarked(nil, counts))
	}
}

// recall serves DELETE /notifications/{id}.
func (a *api) recall(c echo.Context, by notify.Principal) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), accessTimeout)
	defer cancel()
	id := c.Param("id")
	if uuid.Validate(id) == nil { // any other text is not found, and stays out of the log
		aim(c, id)
	}
	if err := a.Service.Recall(ctx, by, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
