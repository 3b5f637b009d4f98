package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// Subprotocol is the WebSocket subprotocol that clients offer and that the answer repeats.
// A browser offers its token as a second subprotocol: bearerPrefix and the JWT.
const Subprotocol = "bellhop.v1"

const bearerPrefix = "bearer."

// ticketLength is the length of 32 bytes in base64url.
const ticketLength = 43

// Credential is the credential of a WebSocket or event stream client. One field is set.
type Credential struct {
	Token  string // to be passed to Verify
	Ticket string // 43 characters, the base64url form of 32 bytes; to be redeemed
}

// Bearer returns the token or API key in the Authorization header of r. Requests other than
// those of Carrier may not have it in another place. The errors have the kinds of Carrier.
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

// Carrier returns the token or ticket that a WebSocket or event stream client sent. The
// kind of an error is ErrUnauthenticated if the request has none, ErrMalformed if it has
// more than one or offers only unknown subprotocols, and ErrTokenInvalid if the URL
// contains a token or a malformed ticket.
//
// If the request has a credential in another place, an Authorization header without a
// bearer token is ignored: browsers add one by themselves for a proxy in between.
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
		return Credential{}, malformed("the request has more than one token or ticket; send one")
	case hasTicket && !isTicket(ticket):
		return Credential{}, notify.TokenInvalid(notify.CauseTicket, "the ticket is malformed: it must be the value that POST /tickets returned")
	case hasTicket:
		return Credential{Ticket: ticket}, nil
	case offered+header != "":
		return Credential{Token: offered + header}, nil // one of them is empty
	}
	return Credential{}, noToken("send it as Authorization: Bearer <jwt>, or offer the subprotocols bellhop.v1 and bearer.<jwt>, " +
		"or send a ticket of POST /tickets as ?ticket=")
}

// authorization returns the bearer token of the Authorization header, or ""
// if there is no such header.
func authorization(h http.Header) (string, error) {
	values := h.Values("Authorization")
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", malformed("the request has more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	switch {
	case !strings.EqualFold(scheme, "bearer"): // EqualFold is safe: no letter of bearer folds to one beyond ASCII
		return "", noToken("the scheme of Authorization must be Bearer")
	case token == "":
		return "", noToken("Authorization: Bearer has no token")
	case strings.ContainsAny(token, " \t,"):
		return "", malformed("Authorization has more than one token")
	}
	return token, nil
}

// subprotocolToken returns the token among the subprotocols that a client offers. It returns
// "" if the client offers none, or bellhop.v1 without a token.
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
		return "", malformed("the subprotocols contain more than one token")
	case bearers == 1 && token == "":
		return "", malformed("the subprotocol bearer. has no token")
	case bearers == 1 && !ours:
		return "", malformed("the subprotocol bellhop.v1 must be offered in addition to the token, because the answer cannot repeat the token")
	case some && !ours:
		return "", malformed("none of the offered subprotocols is supported; offer bellhop.v1")
	}
	return token, nil
}

// ticket returns the ticket in u, if it has one. It refuses a JWT or API key in u, in a
// parameter of any name, and parameters whose names are usual for tokens: URLs end up in
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
		return "", false, malformed("the URL has more than one ticket parameter")
	}
}

// isTicket reports whether s has the form of a ticket.
func isTicket(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == ticketLength && base64.RawURLEncoding.EncodedLen(len(raw)) == ticketLength
}

// looksLikeJWT reports whether s contains `{"` in base64url, possibly after a scheme, and
// after it at least two dots, as a JWT has.
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

type principalKey struct{}

// WithPrincipal returns a context that has p as the principal of the request.
func WithPrincipal(ctx context.Context, p notify.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the principal in ctx, if there is one.
func PrincipalOf(ctx context.Context) (notify.Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(notify.Principal)
	return p, ok
}
