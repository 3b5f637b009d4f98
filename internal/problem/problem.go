// Package problem turns errors into the answers that clients receive: problem details
// of RFC 9457 and the headers that belong to them. Its table is the only place where a
// kind of error gets a name, a status, a title and headers. HTTP requests, refused
// WebSocket handshakes, event streams, commands on sockets and pages all use it.
package problem

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// contentType is the media type of problem details.
const contentType = "application/problem+json"

// Details are the problem details that a client receives for an error.
type Details struct {
	Type     string         `json:"type"` // urn:bellhop:problem:<name>
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail,omitempty"`
	Instance string         `json:"instance,omitempty"` // urn:uuid:<ID of the request>
	Errors   []notify.Fault `json:"errors,omitempty"`   // in the body of the request
}

const typePrefix = "urn:bellhop:problem:"

// kind is a row of the table.
type kind struct {
	err       error // of package notify
	name      string
	status    int
	title     string
	challenge string        // WWW-Authenticate; empty: none
	retry     time.Duration // Retry-After, unless the error has its own; 0: none
}

// When to retry. A store that is unavailable rarely recovers within a second; the
// reasons of all other errors may.
const (
	soon  = time.Second
	later = 5 * time.Second
)

// kinds has the kinds of error that clients may see. The first one that matches counts.
var kinds = []kind{
	{notify.ErrMalformed, "malformed", http.StatusBadRequest, "The request is malformed", "", 0},
	{notify.ErrUnauthenticated, "unauthenticated", http.StatusUnauthorized, "A token is required", "Bearer", 0},
	{notify.ErrTokenInvalid, "token-invalid", http.StatusUnauthorized, "The token is not valid", `Bearer error="invalid_token"`, 0},
	{notify.ErrTokenExpired, "token-expired", http.StatusUnauthorized, "The token has expired", `Bearer error="invalid_token"`, 0},
	{notify.ErrTokenRevoked, "token-revoked", http.StatusUnauthorized, "The token has been revoked", `Bearer error="invalid_token"`, 0},
	{notify.ErrScope, "scope", http.StatusForbidden, "The token does not permit this", `Bearer error="insufficient_scope"`, 0},
	{notify.ErrOrigin, "origin", http.StatusForbidden, "The origin is not allowed", "", 0},
	{notify.ErrMisdirected, "misdirected", http.StatusMisdirectedRequest, "The host is not one of this listener's", "", 0},
	{notify.ErrNotFound, "not-found", http.StatusNotFound, "Not found", "", 0},
	{notify.ErrMethod, "method", http.StatusMethodNotAllowed, "The method is not allowed", "", 0},
	{notify.ErrInProgress, "in-progress", http.StatusConflict, "A request with this idempotency key is in progress", "", soon},
	{notify.ErrTooLarge, "too-large", http.StatusRequestEntityTooLarge, "The body is too large", "", 0},
	{notify.ErrMediaType, "media-type", http.StatusUnsupportedMediaType, "The media type is not supported", "", 0},
	{notify.ErrInvalid, "invalid", http.StatusUnprocessableEntity, "The body is not valid", "", 0},
	{notify.ErrKeyReused, "key-reused", http.StatusUnprocessableEntity, "The idempotency key was used with another body", "", 0},
	{notify.ErrUpgrade, "upgrade", http.StatusUpgradeRequired, "A WebSocket upgrade is required", "", 0},
	{notify.ErrLimit, "limit", http.StatusTooManyRequests, "A limit has been reached", "", soon},
	{notify.ErrDraining, "draining", http.StatusServiceUnavailable, "This node is stopping", "", soon},
	{notify.ErrUnavailable, "unavailable", http.StatusServiceUnavailable, "The service is unavailable", "", later},
	{notify.ErrOutcomeUnknown, "outcome-unknown", http.StatusServiceUnavailable, "The outcome is unknown; retry with the same key", "", soon},
}

// kindOf returns the row for err. An error of no kind in package notify is internal:
// clients learn nothing about it, and its caller must log it.
func kindOf(err error) kind {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k
		}
	}
	return kind{name: "internal", status: http.StatusInternalServerError, title: "Internal error"}
}

// Of returns the problem details for err.
func Of(err error) Details {
	k := kindOf(err)
	return k.details(err)
}

// Name returns the name of the problem, which is the end of its type.
func (d *Details) Name() string { return strings.TrimPrefix(d.Type, typePrefix) }

func (k *kind) details(err error) Details {
	d := Details{Type: typePrefix + k.name, Title: k.title, Status: k.status}
	if e, ok := errors.AsType[*notify.Error](err); ok && k.err != nil {
		d.Detail, d.Errors = e.Detail, e.Faults
	}
	return d
}

// OfRequest returns the problem details for err, with the instance of the request r. The
// headers of its answer have its ID.
func OfRequest(answer http.Header, r *http.Request, err error) Details {
	d := Of(err)
	if id := Instance(answer, r); id != "" {
		d.Instance = "urn:uuid:" + id
	}
	return d
}

type instanceKey struct{}

// WithInstance returns a context with the UUID of a request. It is for requests whose ID in
// X-Request-Id is that of the caller.
func WithInstance(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, instanceKey{}, id)
}

// Instance returns the UUID of the request r: that of WithInstance, or the ID in the headers
// of its answer; empty: it has no ID.
func Instance(answer http.Header, r *http.Request) string {
	if id, ok := r.Context().Value(instanceKey{}).(string); ok {
		return id
	}
	return answer.Get("X-Request-Id")
}

// JSON returns d as JSON, without a final newline.
func (d Details) JSON() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)              // no browser reads it as HTML, and escapes take six times the bytes
	if err := e.Encode(d); err != nil { // strings and numbers can always be encoded
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
