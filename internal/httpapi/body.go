package httpapi

import (
	"container/list"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// The largest bodies, in bytes.
const (
	maxNotifyBody = 512 << 10
	maxBatchBody  = 4 << 20
	maxOtherBody  = 64 << 10
)

// limitBody refuses a body that is too large for its route before it is read. The
// routes for publishing check theirs once the caller is authenticated.
func (a *api) limitBody(c echo.Context, next echo.HandlerFunc) error {
	r := c.Request()
	route := a.reports.route(c)
	publishes := r.Method == http.MethodPost && (route == notifyPath || route == batchPath)
	if !publishes && r.ContentLength > maxOtherBody {
		return tooLarge(maxOtherBody)
	}
	return next(c)
}

func tooLarge(most int64) error {
	return notify.Errorf(notify.ErrTooLarge, "the body may have at most %d bytes", most)
}

// bodyRequested is the key of requests whose body has been read, or is being read.
const bodyRequested = "body requested"

// awaitsContinue reports whether the client sends its body only after 100 Continue
// (RFC 9110, section 10.1.1). Reading the body sends that, and has not begun.
func awaitsContinue(c echo.Context) bool {
	return c.Request().Header.Get("Expect") != "" && c.Get(bodyRequested) == nil
}

// readJSON returns the body of c: JSON by its Content-Type, of at most most bytes and
// within the allowed depth. While it arrives, the body takes memory from a budget, in
// the share of principal, which is empty before the caller is authenticated.
func (a *api) readJSON(c echo.Context, principal string, most int64, from *budget) ([]byte, error) {
	if err := checkContentType(c); err != nil {
		return nil, err
	}
	r, w := c.Request(), c.Response().Writer
	if r.ContentLength > most {
		return nil, tooLarge(most)
	}
	if awaitsContinue(c) {
		c.Set(bodyRequested, true)
	}
	b := body{Reader: r.Body, c: c, length: r.ContentLength, principal: principal, budget: from}
	if r.ContentLength < 0 { // net/http limits a body of known length by itself
		b.Reader = http.MaxBytesReader(w, r.Body, most)
	}
	read, err := b.read()
	if err == nil {
		r.Body = http.NoBody // nothing is left for skipBody
		return read, strict.Depth(read, a.Depth())
	}
	closeAfter(c)
	var over *http.MaxBytesError
	switch {
	case errors.Is(err, errNoMemory), errors.Is(err, errPreempted):
		return nil, err
	case errors.As(err, &over):
		return nil, tooLarge(most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, notify.Errorf(notify.ErrMalformed, "the body arrived too slowly; the minimum rate is %d KiB per second", minRate>>10)
	}
	return nil, errIncomplete(r, err)
}

// errIncomplete returns the refusal of a body whose end could not be read.
func errIncomplete(r *http.Request, err error) error {
	var network net.Error
	if r.ContentLength < 0 && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &network) {
		return notify.Errorf(notify.ErrMalformed, "the chunks of the body are malformed")
	}
	return notify.Errorf(notify.ErrMalformed, "the connection closed before the body was complete")
}

// How slowly a body may arrive. The server's readTimeout bounds the time to its first
// bytes. From then on it has bodyGrace, and a second more for each minRate bytes that
// have arrived, up to maxBodyTime.
const (
	bodyGrace   = 10 * time.Second
	minRate     = 16 << 10 // bytes per second
	maxBodyTime = 30 * time.Second
)

// freeBytes is how much of a body takes nothing from a budget. The announced length of
// a larger body counts for no more than that: memory is for bytes that have arrived.
const freeBytes = 1 << 10

// body reads a body.
type body struct {
	io.Reader

	c         echo.Context
	length    int64 // negative: unknown
	principal string
	budget    *budget

	upload *upload // nil: nothing was taken from the budget
	start  time.Time
}

// read returns all of the body.
func (b *body) read() (read []byte, err error) {
	defer func() {
		if b.upload != nil && b.upload.finish() {
			read, err = nil, errPreempted
		}
		if err == nil && !b.start.IsZero() { // the deadline must not pass while net/http waits for the next request
			_ = http.NewResponseController(b.c.Response()).SetReadDeadline(time.Time{})
		}
	}()
	for int64(len(read)) != b.length { // at its length, net/http has nothing more to read
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

// grow returns read with a capacity of four times its length.
func (b *body) grow(read []byte) ([]byte, error) {
	more := max(freeBytes, 3*int64(len(read)))
	if b.length >= 0 {
		more = min(more, b.length-int64(len(read)))
	}
	if len(read) > 0 || more > freeBytes {
		if b.upload == nil {
			b.upload = b.budget.newUpload(b.c, b.principal)
		}
		if err := b.upload.take(more); err != nil {
			return nil, err
		}
	}
	return append(make([]byte, 0, int64(len(read))+more), read...), nil
}

// extend moves the deadline for the rest of the body, of which so many bytes have
// arrived. If that fails, the deadline of the server holds.
func (b *body) extend(arrived int) {
	now := time.Now()
	if b.start.IsZero() {
		b.start = now
	}
	allowed := min(maxBodyTime, bodyGrace+time.Duration(arrived)*time.Second/minRate)
	deadline := b.start.Add(allowed)
	if b.upload != nil {
		b.upload.extend(deadline)
		return
	}
	_ = http.NewResponseController(b.c.Response()).SetReadDeadline(deadline)
}

// checkContentType returns an error unless c announces uncompressed JSON in UTF-8.
func checkContentType(c echo.Context) error {
	h := c.Request().Header
	for _, coding := range h.Values(echo.HeaderContentEncoding) {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			c.Response().Header().Set("Accept-Encoding", "identity") // RFC 9110, section 15.5.16
			return notify.Errorf(notify.ErrMediaType, "compressed bodies are not accepted; send the body without Content-Encoding")
		}
	}
	types := h.Values(echo.HeaderContentType)
	if len(types) != 1 {
		return notify.Errorf(notify.ErrMediaType, "Content-Type must be application/json")
	}
	if types[0] == echo.MIMEApplicationJSON { // the usual case needs no parser
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil || mediaType != echo.MIMEApplicationJSON {
		return notify.Errorf(notify.ErrMediaType, "Content-Type must be application/json")
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return notify.Errorf(notify.ErrMediaType, "Content-Type may have no parameter but charset=utf-8")
		}
	}
	return nil
}

// budgets divide the memory for bodies that are arriving. Publishers, webhooks,
// operators and all other callers have separate budgets, so that none of them can take
// the memory of another kind. Webhooks are separate because their signature can only be
// checked once the body is complete. Each budget is shared by address and principal.
type budgets struct {
	publishing budget
	unsigned   budget
	operators  budget
	others     budget

	pages *limit.Shares // for pages of inboxes that are being sent
}

const (
	defaultBodyBytes = 128 << 20 // for Options.BodyBytes
	minPageBytes     = 4 << 20   // two pages of the largest notifications
)

// divide gives each budget its part of total bytes, and at least enough for the largest
// body, or for a few.
func (b *budgets) divide(total int64) {
	if total == 0 {
		total = defaultBodyBytes
	}
	b.publishing.shares = limit.NewShares(max(total/2, maxBatchBody))
	b.unsigned.shares = limit.NewShares(max(total/4, 4*maxNotifyBody))
	b.unsigned.preempts = true
	b.operators.shares = limit.NewShares(max(total/16, 4*maxOtherBody))
	b.pages = limit.NewShares(max(total/8, minPageBytes))
	b.others.shares = limit.NewShares(max(total/8, 4*maxOtherBody))
}

// budget is the memory for bodies of one kind.
type budget struct {
	shares *limit.Shares

	// preempts lets a body take the memory of the oldest one from its address when the
	// budget has none left. Among unauthenticated callers at one address nothing else
	// distinguishes a body that is about to be complete from one that never will be.
	preempts bool

	mu       sync.Mutex
	arriving list.List // of *upload, oldest first; used only if preempts
}

var (
	errNoMemory  = notify.Unavailable(notify.CauseBusy, "too many bodies are arriving at once; send it again")
	errPreempted = notify.Unavailable(notify.CauseBusy, "the body arrived so slowly that its memory was given to another request; send it again")
)

// upload is a body that takes memory from a budget while it arrives.
type upload struct {
	budget  *budget
	client  limit.Client
	control *http.ResponseController

	// Guarded by budget.mu if the budget preempts, else its reader's alone.
	held      int64 // bytes of the budget
	preempted bool
	element   *list.Element // in budget.arriving, or nil
}

func (b *budget) newUpload(c echo.Context, principal string) *upload {
	return &upload{
		budget:  b,
		client:  limit.Client{Address: limit.AddressKey(address(c)), Principal: principal},
		control: http.NewResponseController(c.Response()),
	}
}

// take takes n more bytes. It fails with errNoMemory or errPreempted.
func (u *upload) take(n int64) error {
	b := u.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.preempted {
		return errPreempted
	}
	for !b.shares.Take(u.client, n, u.held) {
		if !b.preempts || !b.preemptLocked(u) {
			return errNoMemory
		}
	}
	u.held += n
	if b.preempts && u.element == nil {
		u.element = b.arriving.PushBack(u)
	}
	return nil
}

// preemptLocked takes the memory of the oldest upload that has the client of u and is
// older than u. It reports false if there is none.
func (b *budget) preemptLocked(u *upload) bool {
	for e := b.arriving.Front(); e != nil && e.Value != u; e = e.Next() {
		old, _ := e.Value.(*upload)
		if old.client != u.client {
			continue
		}
		old.preempted = true
		old.releaseLocked()
		_ = old.control.SetReadDeadline(time.Unix(1, 0)) // its reader returns errPreempted
		return true
	}
	return false
}

// extend lets the rest arrive until deadline. A preempted upload keeps the deadline
// that has passed. If the deadline cannot be set, that of the server holds.
func (u *upload) extend(deadline time.Time) {
	u.budget.mu.Lock()
	defer u.budget.mu.Unlock()
	if !u.preempted {
		_ = u.control.SetReadDeadline(deadline)
	}
}

// finish releases the memory, and reports whether it had been preempted.
func (u *upload) finish() (preempted bool) {
	u.budget.mu.Lock()
	defer u.budget.mu.Unlock()
	u.releaseLocked()
	return u.preempted
}

func (u *upload) releaseLocked() {
	u.budget.shares.Give(u.client, u.held)
	u.held = 0
	if u.element != nil {
		u.budget.arriving.Remove(u.element)
		u.element = nil
	}
}
