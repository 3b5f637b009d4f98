package httpapi

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// maxAlternatives is the maximum number of values of one filter parameter.
const maxAlternatives = 20

// filterParameters may be repeated: their values are alternatives.
func filterParameters() []string { return []string{"type", "topic", "priority"} }

// inboxQuery reads the parameters of GET /inbox. An empty parameter counts as absent.
func inboxQuery(query string) (q service.Query, err error) {
	values, err := parseQuery(query, []string{"limit", "before", "state"}, filterParameters())
	if err != nil {
		return q, err
	}
	if q.Filter, err = inboxFilter(values); err != nil {
		return q, err
	}
	if err := setPage(&q, values); err != nil {
		return q, err
	}
	switch q.Filter.State = notify.InboxState(values.Get("state")); q.Filter.State {
	case notify.StateInbox, notify.StateUnread, notify.StateRead, notify.StateArchived, notify.StateAll:
		return q, nil
	default:
		return q, notify.Errorf(notify.ErrMalformed, "the query parameter state must be unread, read, archived or all")
	}
}

// pageQuery reads the parameters of a list without a filter. An empty parameter counts as absent.
func pageQuery(query string) (q service.Query, err error) {
	values, err := readQuery(query, "limit", "before")
	if err != nil {
		return q, err
	}
	return q, setPage(&q, values)
}

// setPage reads the parameters that say which page is listed.
func setPage(q *service.Query, values url.Values) error {
	q.Before, q.Limit = values.Get("before"), defaultPage
	if limit := values.Get("limit"); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 8)
		if err != nil || n < 1 || n > maxPage {
			return notify.Errorf(notify.ErrMalformed, "the query parameter limit must be a number from 1 to %d", maxPage)
		}
		q.Limit = int(n)
	}
	return nil
}

// countsQuery reads the parameters of GET /inbox/counts. An empty parameter counts as absent.
func countsQuery(query string) (f notify.Filter, by notify.Grouping, err error) {
	values, err := parseQuery(query, []string{"by"}, filterParameters())
	if err != nil {
		return f, by, err
	}
	if f, err = inboxFilter(values); err != nil {
		return f, by, err
	}
	switch by = notify.Grouping(values.Get("by")); by {
	case notify.ByNothing, notify.ByType, notify.ByTopic, notify.ByPriority:
		return f, by, nil
	default:
		return f, by, notify.Errorf(notify.ErrMalformed, "the query parameter by must be type, topic or priority")
	}
}

// inboxFilter reads the filter parameters.
func inboxFilter(values url.Values) (f notify.Filter, err error) {
	var errs [3]error
	f.Types, errs[0] = alternatives(values, "type", notify.ParseTypePattern)
	f.Topics, errs[1] = alternatives(values, "topic", notify.ParsePattern)
	f.Priorities, errs[2] = alternatives(values, "priority", parsePriority)
	for _, err := range errs {
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func parsePriority(s string) (notify.Priority, error) {
	switch p := notify.Priority(s); p {
	case notify.PriorityLow, notify.PriorityNormal, notify.PriorityHigh:
		return p, nil
	}
	return "", notify.Errorf(notify.ErrInvalid, "a priority must be low, normal or high")
}

// alternatives reads the values of a parameter, each once. Empty ones count as absent.
func alternatives[T comparable](values url.Values, name string, parse func(string) (T, error)) (all []T, err error) {
	for _, s := range values[name] {
		if s == "" {
			continue
		}
		v, err := parse(s)
		if err != nil {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s has the value %s: %s", name, quoted(s, maxShown), detailOf(err))
		}
		if slices.Contains(all, v) {
			continue
		}
		if all = append(all, v); len(all) > maxAlternatives {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s must have at most %d values", name, maxAlternatives)
		}
	}
	return all, nil
}

// detailOf returns what err tells the caller.
func detailOf(err error) string {
	if e := new(notify.Error); errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}

// maxShown is how many bytes of an unknown parameter's name or of an invalid value an error
// repeats.
const maxShown = 40

// readQuery returns the parameters of a raw query, each of which may appear once.
func readQuery(raw string, known ...string) (url.Values, error) { return parseQuery(raw, known, nil) }

// parseQuery returns the parameters of a raw query. It returns an error for a parameter
// that is unknown to the path, or repeated although it is not one of many, because
// ignoring it could go unnoticed: a polyfill of EventSource that sends ?lastEventId=
// would lose events.
func parseQuery(raw string, once, many []string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, notify.Errorf(notify.ErrMalformed, "the query is not valid: it must be URL-encoded")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(many, name) {
			continue
		}
		if !slices.Contains(once, name) {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s is unknown; allowed are: %s",
				quoted(name, maxShown), strings.Join(slices.Concat(once, many), ", "))
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
