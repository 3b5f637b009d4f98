package auth

import (
	"encoding/base64"
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

// ticketLength is that of 32 bytes in base64url.
const ticketLength = 43

// Credential is what a WebSocket or event-stream client came with: one of the
// two.
type Credential struct {
	Token  string // for Verify
	Ticket string // 43 characters, the base64url of 32 bytes; to be redeemed
}

// Bearer returns the token or API key in the Authorization header of r, the one
// place where a plain request may put it. The kinds of error are those of
// Carrier.
func Bearer(r *http.Request) (string, error) {
	if _, _, err := ticket(r.URL); err != nil {
		return "", err
	}
	token, err := authorization(r.Header)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", noToken("send it as Authorization: Bearer <jwt or API key>")
	}
	return token, nil
}

// Carrier returns the token or ticket that a WebSocket or event-stream client
// sent. The error is ErrUnauthenticated if there is none, ErrMalformed if it is
// in two places or the subprotocols are none that this service speaks, and
// ErrTokenInvalid if a token is in the URL or what is there for a ticket is none.
//
// An Authorization without a bearer token does not count beside one of the
// other places: a browser sends it along by itself, for a proxy in between.
func Carrier(r *http.Request) (Credential, error) {
	ticket, hasTicket, err := ticket(r.URL)
	if err != nil {
		return Credential{}, err
	}
	offered, err := subprotocolToken(r.Header)
	if err != nil {
		return Credential{}, err
	}
	header, err := authorization(r.Header)
	if errors.Is(err, notify.ErrUnauthenticated) && (hasTicket || offered != "") {
		err = nil
	}
	switch {
	case err != nil:
		return Credential{}, err
	case offered != "" && header != "", hasTicket && offered+header != "":
		return Credential{}, malformed("the token is in two places")
	case hasTicket && !isTicket(ticket):
		return Credential{}, invalid("the ticket is not one that this service gave out")
	case hasTicket:
		return Credential{Ticket: ticket}, nil
	case offered+header != "":
		return Credential{Token: offered + header}, nil // one of them is empty
	}
	return Credential{}, noToken("send it as Authorization: Bearer <jwt>, or offer the subprotocols bellhop.v1 and bearer.<jwt>, " +
		"or get a ticket for it")
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
	case !strings.EqualFold(scheme, "bearer"): // no letter of it has a double beyond ASCII
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

// ticket returns that in u, if there is one. It refuses a JWT in u, under the
// names that others use for it or any other, and an API key: URLs end up in
// logs and histories.
func ticket(u *url.URL) (ticket string, ok bool, err error) {
	if u.RawQuery == "" {
		return "", false, nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", false, malformed("the query of the URL cannot be read")
	}
	for name, values := range query {
		switch strings.ToLower(name) {
		case "token", "access_token", "id_token", "auth_token", "jwt", "bearer", "auth", "authorization", "api_key", "apikey":
			return "", false, tokenInURL()
		}
		for _, value := range append(values, name) {
			if looksLikeJWT(value) || isWholeAPIKey(value) {
				return "", false, tokenInURL()
			}
		}
	}
	switch tickets := query["ticket"]; len(tickets) {
	case 0:
		return "", false, nil
	case 1:
		return tickets[0], true, nil
	default:
		return "", false, malformed("there are two tickets")
	}
}

// isTicket reports whether s has the one form of a ticket.
func isTicket(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == ticketLength && base64.RawURLEncoding.EncodedLen(len(raw)) == ticketLength
}

// looksLikeJWT reports whether s begins as the base64url of `{"` does, perhaps
// after a scheme, and has the parts of a JWT.
func looksLikeJWT(s string) bool {
	at := strings.Index(s, "eyJ")
	return at >= 0 && strings.Count(s[at:], ".") >= 2
}

func tokenInURL() error { return invalid("a JWT or API key in a URL is refused: URLs end up in logs") }

func malformed(detail string) error {
	return &notify.Error{Kind: notify.ErrMalformed, Detail: detail}
}

func noToken(how string) error {
	return &notify.Error{Kind: notify.ErrUnauthenticated, Detail: "a token is needed: " + how}
}
