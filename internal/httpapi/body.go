package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
)

// How large a body may be, in bytes.
const (
	maxNotifyBody = 512 << 10
	maxBatchBody  = 4 << 20
	maxOtherBody  = 64 << 10
)

// mostForgotten is how much of a body is read for nothing after a request was
// refused: a client that writes all before it reads would not learn why.
const mostForgotten = 8 << 20

// limitBody refuses bodies that are too large for where they go. Publishing has
// limits of its own, which apply once the caller is known.
func (a *api) limitBody(c echo.Context, next echo.HandlerFunc) (err error) {
	r := c.Request()
	body := r.Body
	if body == nil || body == http.NoBody {
		return next(c)
	}
	route := a.route(c)
	publishes := r.Method == http.MethodPost && (route == notifyPath || route == batchPath)
	if !publishes && r.ContentLength > maxOtherBody {
		err = tooLarge(maxOtherBody)
	} else {
		if !publishes {
			r.Body = http.MaxBytesReader(c.Response().Writer, body, maxOtherBody)
		}
		err = next(c)
	}
	if err != nil {
		_, _ = io.CopyN(io.Discard, body, mostForgotten) // what is wrong is known
	}
	return err
}

// readJSON returns the body of c, if it says that it is JSON and has at most
// most bytes.
func readJSON(c echo.Context, most int64) ([]byte, error) {
	if err := isJSON(c); err != nil {
		return nil, err
	}
	r, w := c.Request(), c.Response().Writer
	if r.ContentLength > most {
		return nil, tooLarge(most)
	}
	body, err := readBody(w, r, most)
	var over *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &over):
		return nil, tooLarge(most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, notify.Errorf(notify.ErrMalformed, "the body did not arrive within %d seconds", int(readTimeout.Seconds()))
	}
	return nil, notify.Errorf(notify.ErrMalformed, "the body broke off")
}

// mostClaimed is how much memory a claim alone is worth: more is for bytes that
// have come.
const mostClaimed = 16 << 10

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n <= mostClaimed { // there is no more to read, as net/http has it
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body := bytes.NewBuffer(make([]byte, 0, mostClaimed))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, most))
	return body.Bytes(), err
}

// isJSON returns an error unless c claims to bring uncompressed JSON in UTF-8.
func isJSON(c echo.Context) error {
	h := c.Request().Header
	for _, coding := range h.Values(echo.HeaderContentEncoding) {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			c.Response().Header().Set("Accept-Encoding", "identity") // RFC 9110, section 15.5.16
			return notify.Errorf(notify.ErrMediaType, "a compressed body is not accepted")
		}
	}
	types := h.Values(echo.HeaderContentType)
	if len(types) != 1 {
		return notify.Errorf(notify.ErrMediaType, "Content-Type must be application/json")
	}
	if types[0] == echo.MIMEApplicationJSON { // as nearly all say it
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil || mediaType != echo.MIMEApplicationJSON {
		return notify.Errorf(notify.ErrMediaType, "Content-Type must be application/json")
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return notify.Errorf(notify.ErrMediaType, "the only parameter of Content-Type is charset=utf-8")
		}
	}
	return nil
}

func tooLarge(most int64) error {
	return notify.Errorf(notify.ErrTooLarge, "the body may have %d bytes", most)
}
