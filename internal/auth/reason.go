package auth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// invalidFor is notify.TokenInvalid with a reason for the log. It names what operators compare with their
// configuration: issuers, audiences, key IDs, algorithms and times. None of these helps to make a
// token.
func invalidFor(cause notify.Cause, detail, format string, args ...any) error {
	return &notify.Error{Kind: notify.ErrTokenInvalid, Cause: cause, Detail: detail, Reason: fmt.Sprintf(format, args...)}
}

// withReason returns err with one more reason in front of its own.
func withReason(err error, reason string) error {
	e, ok := errors.AsType[*notify.Error](err)
	if !ok {
		return err
	}
	more := *e
	if more.Reason = reason; e.Reason != "" {
		more.Reason += "; " + e.Reason
	}
	return &more
}

// explained returns err with the key and the issuer of t.
func (i *issuer) explained(err error, t *token) error {
	kid := "no kid"
	if t.kid != "" {
		kid = "kid " + shown(t.kid)
	}
	return withReason(err, fmt.Sprintf("%s, alg %s, keys of %s", kid, t.alg, nameOf(i.identity)))
}

// maxShown is the maximum length, in bytes, of a text from a token in a reason. It is shorter
// than a ticket.
const maxShown = 39

// shown returns a text from a token in quotes and ASCII, cut if it is long.
func shown(s string) string {
	if len(s) > maxShown {
		return strconv.QuoteToASCII(s[:maxShown]) + "…"
	}
	return strconv.QuoteToASCII(s)
}

// shownList returns the first texts of a list as shown does.
func shownList(all []string) string {
	const most = 3
	var b strings.Builder
	for i, s := range all[:min(len(all), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(shown(s))
	}
	if len(all) > most {
		fmt.Fprintf(&b, " and %d more", len(all)-most)
	}
	return b.String()
}

// since returns the time from then to now, in whole seconds.
func (i *issuer) since(then time.Time) time.Duration { return i.now().Sub(then).Round(time.Second) }

// nameOf returns the name of an issuer, and the words for the issuer of the settings if it has none.
func nameOf(i *notify.Issuer) string {
	if i.Name == notify.AnyIssuer {
		return "the settings"
	}
	return "issuer " + shown(i.Name)
}

// of returns err, the refusal of a token whose signature was verified, with the user and the jti of the
// token.
func of(p *notify.Principal, err error) error {
	if p.TokenID != "" {
		err = withReason(err, "the jti of the token is "+shown(p.TokenID))
	}
	e, ok := errors.AsType[*notify.Error](err)
	if !ok {
		return err
	}
	known := *e
	known.User = p.User
	return &known
}
