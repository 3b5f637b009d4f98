package wire

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// Revocation reads the body of POST /revocations. The error is of kind
// ErrMalformed or ErrInvalid, as that of Draft. Whether there is just one of
// what may be there is for whoever revokes to say.
func Revocation(body []byte) (notify.Revocation, error) {
	v, err := strict(body)
	if err != nil {
		return notify.Revocation{}, err
	}
	var r reader
	var to notify.Revocation
	r.members(v, func(name string, v jsontext.Value) bool {
		switch name {
		case "user":
			r.user(&to.User, v)
		case "issued_before":
			r.moment(&to.Before, v)
		case "jti":
			r.tokenID(&to.TokenID, v)
		case "issuer":
			r.filled(&to.Issuer, v)
		default:
			return false
		}
		return true
	})
	if len(r.faults) > 0 {
		return notify.Revocation{}, notify.Invalid(r.faults...)
	}
	return to, nil
}

// Nothing returns an error unless body is an object without members, or empty.
func Nothing(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	v, err := strict(body)
	if err != nil {
		return err
	}
	var r reader
	r.members(v, func(string, jsontext.Value) bool { return false })
	if len(r.faults) > 0 {
		return notify.Invalid(r.faults...)
	}
	return nil
}

func (r *reader) user(to *notify.UserID, v jsontext.Value) {
	if r.text((*string)(to), v); v.Kind() != '"' {
		return
	}
	if _, err := notify.ParseUser(string(*to)); err != nil {
		r.fault(`must be a user: 1 to %d bytes without white space or control characters, and not "." or ".."`, notify.MaxUserBytes)
	}
}

func (r *reader) tokenID(to *string, v jsontext.Value) {
	r.text(to, v)
	if n := len(*to); v.Kind() == '"' && (n == 0 || n > notify.MaxTokenIDBytes) {
		r.fault("must have 1 to %d bytes", notify.MaxTokenIDBytes)
	}
}

// moment reads a time of RFC 3339.
func (r *reader) moment(to *time.Time, v jsontext.Value) {
	var text string
	r.text(&text, v)
	text = strings.ToUpper(text) // RFC 3339 lets t and z be small
	t, err := time.Parse(time.RFC3339, text)
	// Parse takes more than RFC 3339 has: an hour of one digit, a comma, a day's offset.
	if v.Kind() == '"' && (err != nil || text[13] != ':' || strings.Contains(text, ",") || strings.Contains(text[19:], "24:")) {
		r.fault("must be a time of RFC 3339")
	}
	*to = t
}
