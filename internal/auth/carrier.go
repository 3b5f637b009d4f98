package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// Subprotocol is what a WebSocket client offers and is answered; beside it a
// browser puts its token, as bearerPrefix and the JWT.
const Subprotocol = "bellhop.v1"

const bearerPrefix = "bearer."

// Bearer returns the token in the Authorization header of r, the one place
// where a plain request may put it. The kinds of error are those of Carrier.
func Bearer(r *http.Request) (string, error) {
	if _, err := ticket(r.URL); err != nil {
		return "", err
	}
	token, err := authorization(r.Header)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", noToken("send it as Authorization: Bearer <jwt>")
	}
	return token, nil
}

// Carrier returns the token that a WebSocket or event-stream client sent, and
// whether it did so among its subprotocols. The error is ErrUnauthenticated if
// there is none, ErrMalformed if it is in two places or the subprotocols are
// none that this service speaks, and ErrTokenInvalid if it is in the URL.
//
// An Authorization without a bearer token does not count beside one of the
// other places: a browser sends it along by itself, for a proxy in between.
func Carrier(r *http.Request) (token string, subprotocol bool, err error) {
	hasTicket, err := ticket(r.URL)
	if err != nil {
		return "", false, err
	}
	offered, err := subprotocolToken(r.Header)
	if err != nil {
		return "", false, err
	}
	header, err := authorization(r.Header)
	if errors.Is(err, notify.ErrUnauthenticated) && (hasTicket || offered != "") {
		err = nil
	}
	if err != nil {
		return "", false, err
	}
	switch {
	case offered != "" && header != "", hasTicket && offered+header != "":
		return "", false, malformed("the token is in two places")
	case hasTicket:
		return "", false, invalid("tickets are not accepted here yet")
	case offered != "":
		return offered, true, nil
	case header != "":
		return header, false, nil
	}
	return "", false, noToken("send it as Authorization: Bearer <jwt>, or offer the subprotocols bellhop.v1 and bearer.<jwt>")
}

// authorization returns the bearer token of the Authorization header, or ""
// if there is no such header.
func authorization(h http.Header) (string, error) {
	values := h.Values("Authorization")
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", malformed("there are two Authorization headers")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	switch {
	case lowerASCII(scheme) != "bearer":
		return "", noToken("the scheme of Authorization must be Bearer")
	case token == "":
		return "", noToken("Authorization: Bearer has no token")
	case strings.ContainsAny(token, " \t,"):
		return "", malformed("Authorization has more than one token")
	}
	return token, nil
}

// subprotocolToken returns the token among the subprotocols that a client
// offers, or "" if there is none and bellhop.v1, or nothing, is offered.
func subprotocolToken(h http.Header) (string, error) {
	token := ""
	some, ours, bearers := false, false, 0
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			some = some || name != ""
			ours = ours || name == Subprotocol
			if jwt, ok := strings.CutPrefix(name, bearerPrefix); ok {
				token = jwt
				bearers++
			}
		}
	}
	switch {
	case bearers > 1:
		return "", malformed("the subprotocols have two tokens")
	case bearers == 1 && token == "":
		return "", malformed("the subprotocol bearer. has no token")
	case bearers == 1 && !ours:
		return "", malformed("offer the subprotocol bellhop.v1 beside the token, which the answer must not repeat")
	case some && !ours:
		return "", malformed("of the subprotocols that are offered none is known: bellhop.v1 is")
	}
	return token, nil
}

// ticket reports whether u bears one. It refuses a JWT in u, under the names
// that others use for it or any other: URLs end up in logs and histories.
func ticket(u *url.URL) (bool, error) {
	if u.RawQuery == "" {
		return false, nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return false, malformed("the query of the URL cannot be read")
	}
	for name, values := range query {
		switch lowerASCII(name) {
		case "token", "access_token", "id_token", "auth_token", "jwt", "bearer", "auth", "authorization":
			return false, jwtInURL()
		}
		for _, value := range values {
			if looksLikeJWT(name) || looksLikeJWT(value) {
				return false, jwtInURL()
			}
		}
	}
	tickets := query["ticket"]
	if len(tickets) > 1 {
		return false, malformed("there are two tickets")
	}
	return len(tickets) == 1, nil
}

// looksLikeJWT reports whether s begins as the base64url of `{"` does, perhaps
// after a scheme, and has the parts of a JWT.
func looksLikeJWT(s string) bool {
	at := strings.Index(s, "eyJ")
	return at >= 0 && strings.Count(s[at:], ".") >= 2
}

func jwtInURL() error { return invalid("a JWT in a URL is refused: URLs end up in logs") }

func malformed(detail string) error {
	return &notify.Error{Kind: notify.ErrMalformed, Detail: detail}
}

func noToken(how string) error {
	return &notify.Error{Kind: notify.ErrUnauthenticated, Detail: "a token is needed: " + how}
}
