package notify

import (
	"errors"
	"fmt"
	"time"
)

// The kinds of errors that callers may see. Any other error is internal: it is logged, and
// its text is not sent. Package problem has the name and the status of each kind.
var (
	ErrMalformed       = errors.New("malformed")
	ErrUnauthenticated = errors.New("unauthenticated") // no token, key or signature
	ErrTokenInvalid    = errors.New("token invalid")
	ErrTokenExpired    = errors.New("token expired")
	ErrTokenRevoked    = errors.New("token revoked")
	ErrScope           = errors.New("scope missing")
	ErrOrigin          = errors.New("origin not allowed")
	ErrMisdirected     = errors.New("misdirected") // the request was sent to another host
	ErrNotFound        = errors.New("not found")
	ErrMethod          = errors.New("method not allowed")
	ErrInProgress      = errors.New("in progress") // the first request with this idempotency key has not ended
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

// Error is an error with a kind and with details that are sent to the caller. Its text must
// not contain a token, key or signature.
type Error struct {
	Kind       error
	Cause      Cause // with ErrUnavailable and ErrTokenInvalid
	Detail     string
	Reason     string        // for the log: what Detail does not tell the caller
	User       UserID        // for the log: whose token is not accepted, though its signature is valid
	Faults     []Fault       // with ErrInvalid
	RetryAfter time.Duration // with ErrLimit
	Rate       Rate          // with ErrLimit, if a rate was exceeded
}

// Rate is a limit on how often something may be done.
type Rate struct {
	Name   string // of the counted actions, such as "broadcasts"
	Quota  int    // maximum number in a window
	Window time.Duration
}

// Fault is a mistake in a body.
type Fault struct {
	Pointer string `json:"pointer"` // to the wrong member (RFC 6901); "" is the whole body
	Detail  string `json:"detail"`
}

// Errorf returns an error of a kind with a detail that is sent to the caller.
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
	if e.Reason != "" {
		return fmt.Sprintf("%v: %s (%s)", e.Kind, e.Detail, e.Reason)
	}
	return fmt.Sprintf("%v: %s", e.Kind, e.Detail)
}

func (e *Error) Unwrap() error { return e.Kind }
