package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

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

// isHeldBack reports whether the client holds its body back until it is asked for
// it (RFC 9110, section 10.1.1). Reading the body asks, and has not begun.
func isHeldBack(c echo.Context) bool {
	return c.Request().Header.Get("Expect") != "" && c.Get(bodyAsked) == nil
}

// readJSON returns the body of c, if it says that it is JSON, has at most most
// bytes, and does not nest too deep. While it arrives, the body takes memory of the
// pool from, in the share of principal, which is empty as long as it is unknown.
func (a *api) readJSON(c echo.Context, principal string, most int64, from *pool) ([]byte, error) {
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
	b := body{Reader: r.Body, c: c, length: r.ContentLength, principal: principal, pool: from}
	if r.ContentLength < 0 { // else no more than that comes
		b.Reader = http.MaxBytesReader(w, r.Body, most)
	}
	read, err := b.read()
	if err == nil {
		r.Body = http.NoBody // so that dismissBody has nothing to do
		return read, wire.CheckDepth(read, a.Depth)
	}
	closeAfter(c)
	var over *http.MaxBytesError
	switch {
	case errors.Is(err, errNoMemory), errors.Is(err, errDisplaced):
		return nil, err
	case errors.As(err, &over):
		return nil, tooLarge(most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, notify.Errorf(notify.ErrMalformed, "the body arrived too slowly: at least %d KiB must arrive in a second", leastRate>>10)
	}
	return nil, notify.Errorf(notify.ErrMalformed, "the body broke off")
}

// How slowly a body may arrive. Its first bytes must be there within readTimeout;
// then it has bodyGrace, and longer the more of it has arrived.
const (
	bodyGrace = 10 * time.Second
	leastRate = 16 << 10 // bytes in a second
	bodyMost  = 30 * time.Second
)

// unpooled is how many bytes of a body are counted with its connection. The claim
// of a larger one is worth no more: memory is for bytes that have arrived.
const unpooled = 1 << 10

// body is a body that is read.
type body struct {
	io.Reader

	c         echo.Context
	length    int64 // less than 0: unknown
	principal string
	pool      *pool

	arrival *arrival // nil: it has taken nothing of the pool
	began   time.Time
}

// read returns all of the body.
func (b *body) read() (read []byte, err error) {
	defer func() {
		if b.arrival != nil && b.arrival.leave() {
			read, err = nil, errDisplaced
		}
		if err == nil && !b.began.IsZero() { // or it would pass while net/http waits for the next request
			_ = http.NewResponseController(b.c.Response()).SetReadDeadline(time.Time{})
		}
	}()
	for int64(len(read)) != b.length { // then there is no more to read, as net/http has it
		if len(read) == cap(read) {
			if read, err = b.grow(read); err != nil {
				return nil, err
			}
		}
		n, err := b.Read(read[len(read):cap(read)])
		read = read[:len(read)+n]
		switch {
		case errors.Is(err, io.EOF):
			return read, nil
		case err != nil:
			return nil, err
		}
		if int64(len(read)) != b.length {
			b.extend(len(read))
		}
	}
	return read, nil
}

// grow returns read with memory for three times as much again.
func (b *body) grow(read []byte) ([]byte, error) {
	more := max(unpooled, 3*int64(len(read)))
	if b.length >= 0 {
		more = min(more, b.length-int64(len(read)))
	}
	if len(read) > 0 || more > unpooled {
		if b.arrival == nil {
			b.arrival = b.pool.newArrival(b.c, b.principal)
		}
		if err := b.arrival.take(more); err != nil {
			return nil, err
		}
	}
	return append(make([]byte, 0, int64(len(read))+more), read...), nil
}

// extend lets the rest of a body arrive for as long as what has arrived allows.
func (b *body) extend(arrived int) {
	now := time.Now()
	if b.began.IsZero() {
		b.began = now
	}
	allowed := min(bodyMost, bodyGrace+time.Duration(arrived)*time.Second/leastRate)
	deadline := b.began.Add(allowed)
	if b.arrival != nil {
		b.arrival.extend(deadline)
		return
	}
	_ = http.NewResponseController(b.c.Response()).SetReadDeadline(deadline) // else that of the server holds
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
