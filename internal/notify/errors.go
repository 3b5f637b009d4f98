package notify

import (
	"errors"
	"fmt"
	"time"
)

// The kinds of error that a caller can be told of. What is none of these is
// internal and told to nobody but the log. Package wire gives each a name and
// a status.
var (
	ErrMalformed       = errors.New("malformed")
	ErrUnauthenticated = errors.New("unauthenticated") // no token, key or signature
	ErrTokenInvalid    = errors.New("token invalid")
	ErrTokenExpired    = errors.New("token expired")
	ErrTokenRevoked    = errors.New("token revoked")
	ErrScope           = errors.New("scope missing")
	ErrOrigin          = errors.New("origin not allowed")
	ErrMisdirected     = errors.New("misdirected") // the request is for another host
	ErrNotFound        = errors.New("not found")
	ErrMethod          = errors.New("method not allowed")
	ErrInProgress      = errors.New("in progress") // the first request with this key
	ErrTooLarge        = errors.New("too large")
	ErrMediaType       = errors.New("unsupported media type")
	ErrInvalid         = errors.New("invalid")
	ErrKeyReused       = errors.New("idempotency key reused")
	ErrUpgrade         = errors.New("upgrade required")
	ErrLimit           = errors.New("limit reached")
	ErrDraining        = errors.New("draining")
	ErrUnavailable     = errors.New("unavailable")     // not stored
	ErrOutcomeUnknown  = errors.New("outcome unknown") // perhaps stored
)

// Error is a kind of error with what the caller may be told about it. Its text
// must hold no token, key or signature.
type Error struct {
	Kind       error
	Detail     string
	Faults     []Fault       // with ErrInvalid
	RetryAfter time.Duration // with ErrLimit
	Rate       Rate          // with ErrLimit, if it is a rate that was exceeded
}

// Rate is how often something may be done.
type Rate struct {
	Name   string // what is counted, such as "broadcasts"
	Quota  int    // how many in a window
	Window time.Duration
}

// Fault is one thing wrong with a body.
type Fault struct {
	Pointer string `json:"pointer"` // RFC 6901; "" is the whole body
	Detail  string `json:"detail"`
}

// Errorf returns an error of a kind whose detail may be shown to the caller.
func Errorf(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Invalid returns the error for a body with these faults.
func Invalid(faults ...Fault) error {
	return &Error{Kind: ErrInvalid, Detail: "the body breaks the rules listed in errors", Faults: faults}
}

func (e *Error) Error() string {
	if len(e.Faults) > 0 {
		return fmt.Sprintf("%v: %s %s", e.Kind, e.Faults[0].Pointer, e.Faults[0].Detail)
	}
	return fmt.Sprintf("%v: %s", e.Kind, e.Detail)
}

func (e *Error) Unwrap() error { return e.Kind }
