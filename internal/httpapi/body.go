package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// How large a body may be, in bytes.
const (
	maxNotifyBody = 512 << 10
	maxBatchBody  = 4 << 20
	maxOtherBody  = 64 << 10
)

// limitBody refuses bodies that are too large for their route, before they are
// read. Publishing has limits of its own, which apply once the caller is known.
func (a *api) limitBody(c echo.Context, next echo.HandlerFunc) error {
	r := c.Request()
	route := a.route(c)
	publishes := r.Method == http.MethodPost && (route == notifyPath || route == batchPath)
	if !publishes && r.ContentLength > maxOtherBody {
		return tooLarge(maxOtherBody)
	}
	return next(c)
}

// bodyAsked marks a request whose body was read.
const bodyAsked = "body asked for"

// isHeldBack reports whether a client sends its body once it is asked for it, as
// reading does (RFC 9110, section 10.1.1), and nobody has.
func isHeldBack(c echo.Context) bool {
	return c.Request().Header.Get("Expect") != "" && c.Get(bodyAsked) == nil
}

// readJSON returns the body of c, if it says that it is JSON, has at most most
// bytes, and does not nest too deep. While it comes it takes room of in.
func (a *api) readJSON(c echo.Context, most int64, in *room) ([]byte, error) {
	if err := isJSON(c); err != nil {
		return nil, err
	}
	r, w := c.Request(), c.Response().Writer
	if r.ContentLength > most {
		return nil, tooLarge(most)
	}
	if isHeldBack(c) {
		c.Set(bodyAsked, true)
	}
	from := r.Body
	if r.ContentLength < 0 { // else no more than that comes
		from = http.MaxBytesReader(w, from, most)
	}
	body, err := readBody(from, r.ContentLength, in)
	var over *http.MaxBytesError
	switch {
	case err == nil:
		r.Body = http.NoBody // so that dismissBody has nothing to do
		return body, wire.CheckDepth(body, a.Depth)
	case errors.Is(err, errNoRoom):
		return nil, err
	case errors.As(err, &over):
		return nil, tooLarge(most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, notify.Errorf(notify.ErrMalformed, "the body did not arrive within %d seconds", int(readTimeout.Seconds()))
	}
	return nil, notify.Errorf(notify.ErrMalformed, "the body broke off")
}

// leastTaken is how much memory is taken for a body at first. Of a larger one
// its claim alone is worth no more: more is for bytes that have come.
const leastTaken = 1 << 10

// readBody reads what has length bytes, or an unknown number if that is less
// than 0.
func readBody(from io.Reader, length int64, in *room) (body []byte, err error) {
	held := int64(0)
	defer func() { in.giveBack(held) }()
	for int64(len(body)) != length { // then there is no more to read, as net/http has it
		if len(body) == cap(body) {
			more := max(leastTaken, 3*int64(len(body)))
			if length >= 0 {
				more = min(more, length-int64(len(body)))
			}
			if !in.take(more) {
				return nil, errNoRoom
			}
			held += more
			body = append(make([]byte, 0, held), body...)
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		}
	}
	return body, nil
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
