package wire

import (
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// Revocation reads the body of POST /revocations. Its error is of kind ErrMalformed or
// ErrInvalid, as that of Draft. Package service checks which members may go together.
func Revocation(body []byte) (notify.Revocation, error) {
	v, err := parse(body)
	if err != nil {
		return notify.Revocation{}, err
	}
	var r reader
	var to notify.Revocation
	r.Members(v, "user, issued_before, jti and issuer", func(name string, v strict.Value) bool {
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
	if err := r.Err(); err != nil {
		return notify.Revocation{}, err
	}
	return to, nil
}

// Nothing returns an error unless body is empty or an object without members.
func Nothing(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	v, err := parse(body)
	if err != nil {
		return err
	}
	var r reader
	r.Members(v, "", func(string, strict.Value) bool { return false })
	return r.Err()
}

func (r *reader) user(to *notify.UserID, v strict.Value) {
	if r.Text((*string)(to), v); v.Kind() != '"' {
		return
	}
	if _, err := notify.ParseUser(string(*to)); err != nil {
		r.Fault(`must be a user: 1 to %d bytes without white space or control characters, and not "." or ".."`, notify.MaxUserBytes)
	}
}

func (r *reader) tokenID(to *string, v strict.Value) {
	r.Text(to, v)
	if n := len(*to); v.Kind() == '"' && (n == 0 || n > notify.MaxTokenIDBytes) {
		r.Fault("must have 1 to %d bytes", notify.MaxTokenIDBytes)
	}
}

// moment reads a time of RFC 3339.
func (r *reader) moment(to *time.Time, v strict.Value) {
	var text string
	r.Text(&text, v)
	text = strings.ToUpper(text) // RFC 3339 allows t and z
	t, err := time.Parse(time.RFC3339, text)
	// Parse accepts more than RFC 3339 allows: an hour of one digit, a comma, and an
	// offset of 24 hours.
	if v.Kind() == '"' && (err != nil || text[13] != ':' || strings.Contains(text, ",") || strings.Contains(text[19:], "24:")) {
		r.Fault("must be a time as in RFC 3339, such as 2026-12-01T09:00:00Z")
	}
	*to = t
}
