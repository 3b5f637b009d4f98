package httpapi

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// nameShown is how many bytes of an unknown parameter's name an error repeats.
const nameShown = 40

// readQuery returns the parameters of a raw query. A parameter that is unknown
// to the path or there twice is an error, because it would change nothing
// without the caller noticing: a polyfill of EventSource sends ?lastEventId= and
// would lose events.
func readQuery(raw string, known ...string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, notify.Errorf(notify.ErrMalformed, "the query cannot be read")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, name) {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s is unknown; allowed are: %s",
				quoted(name, nameShown), strings.Join(known, ", "))
		}
		if len(values[name]) > 1 {
			return nil, notify.Errorf(notify.ErrMalformed, "the query parameter %s must be there once at most", name)
		}
	}
	return values, nil
}

// quoted returns s in quotes and ASCII, cut to so many bytes.
func quoted(s string, most int) string {
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
