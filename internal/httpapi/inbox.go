package httpapi

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
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
		return notify.Errorf(notify.ErrUnavailable, "too many inbox pages are being sent at once; ask again")
	}
	defer a.budgets.pages.Give(client, size)
	return answerJSON(c, http.StatusOK, page)
}

// inboxQuery reads the parameters of GET /inbox. An empty parameter counts as absent.
func inboxQuery(query string) (q service.Query, err error) {
	values, err := readQuery(query, "limit", "before", "state")
	if err != nil {
		return q, err
	}
	q.Before, q.Limit = values.Get("before"), defaultPage
	if limit := values.Get("limit"); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 8)
		if err != nil || n < 1 || n > maxPage {
			return q, notify.Errorf(notify.ErrMalformed, "the query parameter limit must be a number from 1 to %d", maxPage)
		}
		q.Limit = int(n)
	}
	switch q.State = notify.InboxState(values.Get("state")); q.State {
	case notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived, notify.StateAll:
		return q, nil
	default:
		return q, notify.Errorf(notify.ErrMalformed, "the query parameter state must be unread, read, archived or all")
	}
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

// maxShownName is how many bytes of an unknown parameter's name an error repeats.
const maxShownName = 40

// readQuery returns the parameters of a raw query. It returns an error for a parameter
// that is unknown to the path or repeated, because ignoring it could go unnoticed: a
// polyfill of EventSource that sends ?lastEventId= would lose events.
func readQuery(raw string, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, notify.Errorf(notify.ErrMalformed, "the query is not valid: it must be URL-encoded")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, name) {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s is unknown; allowed are: %s",
				quoted(name, maxShownName), strings.Join(known, ", "))
		}
		if len(values[name]) > 1 {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s must appear at most once", name)
		}
	}
	return values, nil
}

// quoted returns s, cut to at most so many bytes, in quotes and ASCII.
func quoted(s string, most int) string {
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
