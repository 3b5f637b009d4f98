package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/bellhop/bellhop/internal/notify"
)

// Problem is an error as its caller reads it: problem details of RFC 9457.
type Problem struct {
	Type     string         `json:"type"` // urn:bellhop:problem:<name>
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail,omitempty"`
	Instance string         `json:"instance,omitempty"` // urn:uuid:…, of the request
	Errors   []notify.Fault `json:"errors,omitempty"`   // of a rejected body
}

const problemURN = "urn:bellhop:problem:"

// problems is the one place where an error becomes a status.
var problems = []struct {
	err    error
	name   string
	status int
	title  string
}{
	{notify.ErrMalformed, "malformed", http.StatusBadRequest, "The request cannot be read"},
	{notify.ErrUnauthenticated, "unauthenticated", http.StatusUnauthorized, "A token is required"},
	{notify.ErrTokenInvalid, "token-invalid", http.StatusUnauthorized, "The token is not valid"},
	{notify.ErrTokenExpired, "token-expired", http.StatusUnauthorized, "The token has expired"},
	{notify.ErrTokenRevoked, "token-revoked", http.StatusUnauthorized, "The token was revoked"},
	{notify.ErrScope, "scope", http.StatusForbidden, "The token does not allow this"},
	{notify.ErrOrigin, "origin", http.StatusForbidden, "The origin is not allowed"},
	{notify.ErrMisdirected, "misdirected", http.StatusMisdirectedRequest, "This listener is not known by that host"},
	{notify.ErrNotFound, "not-found", http.StatusNotFound, "There is nothing here"},
	{notify.ErrMethod, "method", http.StatusMethodNotAllowed, "The method is not allowed here"},
	{notify.ErrInProgress, "in-progress", http.StatusConflict, "The first request with this key is not done"},
	{notify.ErrTooLarge, "too-large", http.StatusRequestEntityTooLarge, "The body is too large"},
	{notify.ErrMediaType, "media-type", http.StatusUnsupportedMediaType, "The media type is not supported"},
	{notify.ErrInvalid, "invalid", http.StatusUnprocessableEntity, "The body breaks the rules"},
	{notify.ErrKeyReused, "key-reused", http.StatusUnprocessableEntity, "The idempotency key was used for another body"},
	{notify.ErrUpgrade, "upgrade", http.StatusUpgradeRequired, "This is a WebSocket: ask for an upgrade"},
	{notify.ErrLimit, "limit", http.StatusTooManyRequests, "Too many requests"},
	{notify.ErrDraining, "draining", http.StatusServiceUnavailable, "This node is about to stop"},
	{notify.ErrUnavailable, "unavailable", http.StatusServiceUnavailable, "The service cannot do this now"},
	{notify.ErrOutcomeUnknown, "outcome-unknown", http.StatusServiceUnavailable, "It may have been stored: retry with the same key"},
}

// ProblemOf returns how err is told to its caller. An error that is of no kind
// in package notify is internal and tells nothing.
func ProblemOf(err error) Problem {
	for _, p := range problems {
		if !errors.Is(err, p.err) {
			continue
		}
		told := Problem{Type: problemURN + p.name, Title: p.title, Status: p.status}
		if e, ok := errors.AsType[*notify.Error](err); ok {
			told.Detail, told.Errors = e.Detail, e.Faults
		}
		return told
	}
	return Problem{Type: problemURN + "internal", Title: "Something went wrong", Status: http.StatusInternalServerError}
}

// JSON returns p as it is sent.
func (p Problem) JSON() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)              // it is no HTML, and would be six times as long
	if err := e.Encode(p); err != nil { // strings and numbers always can be
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// CloseData is the data of the close event.
func CloseData(c notify.Close) []byte {
	b, err := json.Marshal(struct {
		Code      int    `json:"code"`
		Reason    string `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		After     int64  `json:"after"` // seconds
	}{c.Code, c.Reason, c.Reconnect, int64(c.After.Seconds())})
	if err != nil {
		panic(err)
	}
	return b
}
