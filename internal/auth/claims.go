package auth

import (
	"errors"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// lastSecond is the last second of the year 9999, the latest time in RFC 3339.
const lastSecond = 253_402_300_799

// claims are the claims of a token that the service uses.
type claims struct {
	jwt.RegisteredClaims
	terms *terms

	user    notify.UserID // with the prefix
	clients []string      // the clients that the token was issued to
	scopes  []notify.Scope
	topics  []notify.TopicPattern
	ignored int // the number of topics that were ignored
	since   time.Time
}

func readClaims(payload []byte, t *terms) (claims, error) {
	c := claims{terms: t}
	err := readObject(payload, c.read)
	switch {
	case err != nil:
		return claims{}, claimsError(err)
	case c.user == "":
		return claims{}, invalid("the token has no " + t.user.text)
	case c.ExpiresAt == nil:
		return claims{}, invalid("the token has no exp")
	}
	return c, nil
}

func claimsError(err error) error {
	if errors.Is(err, errNoObject) {
		return invalid("the token's claims are not a JSON object, have one twice, or nest too deep")
	}
	return err
}

// read stores one claim. Names are case-sensitive, and null means absent.
func (c *claims) read(name string, v strict.Value) error {
	if v.Kind() == 'n' {
		return nil
	}
	if err := c.readRegistered(name, v); err != nil {
		return err
	}
	return c.readMapped(name, v)
}

func (c *claims) readRegistered(name string, v strict.Value) (err error) {
	switch name {
	case "iss":
		c.Issuer, err = readString(name, v)
	case "aud":
		var list []string
		list, err = readStrings(name, v)
		c.Audience = list
	case "exp":
		c.ExpiresAt, err = readDate(name, v)
	case "nbf":
		c.NotBefore, err = readDate(name, v)
	case "iat":
		c.IssuedAt, err = readDate(name, v)
	case "jti":
		c.ID, err = readString(name, v)
		if err == nil && len(c.ID) > notify.MaxTokenIDBytes {
			err = invalid("the token's jti has more than " + strconv.Itoa(notify.MaxTokenIDBytes) + " bytes")
		}
	case "since":
		var date *jwt.NumericDate
		if date, err = readDate(name, v); err == nil {
			c.since = date.Time
		}
	}
	return err
}

// readMapped stores a claim whose name the configuration of the issuer decides.
func (c *claims) readMapped(name string, v strict.Value) (err error) {
	t := c.terms
	if user, ok := t.user.in(name, v); ok {
		if c.user, err = t.readUser(user); err != nil {
			return err
		}
	}
	for i := range t.scopes {
		if scopes, ok := t.scopes[i].in(name, v); ok {
			c.readScopes(scopes)
		}
	}
	if topics, ok := t.topics.in(name, v); ok {
		c.readTopics(topics)
	}
	switch name {
	case "azp", "client_id", "appid":
		if len(t.entry.Clients) == 0 {
			break
		}
		var client string
		client, err = readString(name, v)
		c.clients = append(c.clients, client)
	}
	return err
}

func (c *claims) principal(of *notify.Issuer) notify.Principal {
	p := notify.Principal{
		User:          c.user,
		Issuer:        of,
		Name:          c.user.PrincipalName(),
		Scopes:        c.scopes,
		Topics:        c.topics,
		TopicsIgnored: c.ignored,
		Since:         c.since,
		Expires:       c.ExpiresAt.Time,
		TokenID:       c.ID,
	}
	if c.IssuedAt != nil {
		p.Issued = c.IssuedAt.Time
	}
	return p
}

// isFromClient reports whether the token names at least one client, and only allowed ones.
func (c *claims) isFromClient(allowed []string) bool {
	others := slices.ContainsFunc(c.clients, func(client string) bool { return !slices.Contains(allowed, client) })
	return len(c.clients) > 0 && !others
}

// readUser returns the user that v names, with the prefix of the issuer.
func (t *terms) readUser(v strict.Value) (notify.UserID, error) {
	s, err := readString(t.user.text, v)
	if err != nil {
		return "", err
	}
	user, err := notify.ParseUser(t.entry.UserPrefix + s)
	if err != nil || s == "" {
		detail := "the token's " + t.user.text + " is not a valid user: it must have 1 to 256 bytes without white space or control characters, and must not be . or .."
		if t.entry.UserPrefix != "" {
			detail += "; the user prefix is part of the length"
		}
		return "", invalid(detail)
	}
	return user, nil
}

// readDate reads a NumericDate (RFC 7519, section 2), which may have a fraction.
func readDate(name string, v strict.Value) (*jwt.NumericDate, error) {
	if v.Kind() != '0' {
		return nil, invalid("the token's " + name + " is not a number")
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f > lastSecond {
		return nil, invalid("the token's " + name + " is out of range")
	}
	whole, part := math.Modf(f)
	return &jwt.NumericDate{Time: time.Unix(int64(whole), int64(part*1e9))}, nil
}

// readStrings reads a string or a list of strings.
func readStrings(name string, v strict.Value) ([]string, error) {
	if v.Kind() != '[' {
		s, err := readString(name, v)
		return []string{s}, err
	}
	list := []string{}
	for _, item := range strict.Items(v) {
		s, err := readString(name, item)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// readScopes adds the scopes of this service that the issuer may grant. Other scopes, and
// values that are not strings, are ignored: connections keep their principal in memory, so
// it must stay small.
func (c *claims) readScopes(v strict.Value) {
	for s := range texts(v) {
		name, ok := strings.CutPrefix(s, c.terms.entry.ScopePrefix)
		scope := notify.Scope(name)
		if ok && c.terms.givesScope(scope) && !slices.Contains(c.scopes, scope) {
			c.scopes = append(c.scopes, scope)
		}
	}
}

// readTopics adds the topics of the token. A repeated topic counts once. A topic that is
// malformed, not granted to the issuer, or beyond MaxTopics is ignored and counted: the
// rest of the token stays valid.
func (c *claims) readTopics(v strict.Value) {
	for s := range texts(v) {
		topic, err := notify.ParsePattern(s)
		switch {
		case slices.Contains(c.topics, topic) && err == nil:
		case err != nil, len(c.topics) >= MaxTopics, !c.terms.givesTopic(topic):
			c.ignored++
		default:
			c.topics = append(c.topics, topic)
		}
	}
}

// texts returns the words of a string, or the items of a list. An item that is not a string
// is returned as an empty string, and so is any other value.
func texts(v strict.Value) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch v.Kind() {
		case '"':
			for word := range strings.FieldsSeq(strict.Text(v)) {
				if !yield(word) {
					return
				}
			}
		case '[':
			for _, item := range strict.Items(v) {
				s, _ := readString("", item)
				if !yield(s) {
					return
				}
			}
		default:
			yield("")
		}
	}
}
