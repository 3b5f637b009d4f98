package auth

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
)

// lastSecond is the end of the year 9999, the last that times out can say.
const lastSecond = 253_402_300_799

// claims are those of a token that mean something here, read strictly.
type claims struct {
	jwt.RegisteredClaims
	userClaim string // the name of that which is the user

	user   notify.UserID
	scopes []notify.Scope
	topics []notify.TopicPattern
	since  time.Time
}

func readClaims(payload []byte, userClaim string) (claims, error) {
	c := claims{userClaim: userClaim}
	err := readObject(payload, c.read)
	switch {
	case err != nil:
		return claims{}, claimsError(err)
	case c.user == "":
		return claims{}, invalid("the token has no " + userClaim)
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

// read takes one claim in. Names count only as they are written here.
func (c *claims) read(name string, v jsontext.Value) (err error) {
	switch name {
	case c.userClaim:
		c.user, err = readUser(name, v)
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
	case "scope", "scp":
		err = c.readScopes(name, v)
	case "topics":
		err = c.readTopics(v)
	}
	return err
}

func (c *claims) principal() notify.Principal {
	p := notify.Principal{
		User:    c.user,
		Name:    "user:" + string(c.user),
		Scopes:  c.scopes,
		Topics:  c.topics,
		Since:   c.since,
		Expires: c.ExpiresAt.Time,
		TokenID: c.ID,
	}
	if c.IssuedAt != nil {
		p.Issued = c.IssuedAt.Time
	}
	return p
}

func readUser(name string, v jsontext.Value) (notify.UserID, error) {
	s, err := readString(name, v)
	if err != nil {
		return "", err
	}
	user, err := notify.ParseUser(s)
	if err != nil {
		return "", invalid("the token's " + name + " is not a user: 1 to 256 bytes without white space or control characters, and not . or ..")
	}
	return user, nil
}

// readDate reads a NumericDate (RFC 7519, section 2), fractions included.
func readDate(name string, v jsontext.Value) (*jwt.NumericDate, error) {
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

// readStrings reads a string or a list of them.
func readStrings(name string, v jsontext.Value) ([]string, error) {
	if v.Kind() != '[' {
		s, err := readString(name, v)
		return []string{s}, err
	}
	list := []string{}
	err := readArray(v, func(item jsontext.Value) error {
		s, err := readString(name, item)
		list = append(list, s)
		return err
	})
	return list, err
}

// readScopes adds those of our own: an issuer's other scopes say nothing here,
// and a connection keeps its principal in memory.
func (c *claims) readScopes(name string, v jsontext.Value) error {
	list, err := readStrings(name, v)
	if err != nil {
		return err
	}
	if v.Kind() == '"' {
		list = strings.Fields(list[0])
	}
	for _, s := range list {
		scope := notify.Scope(s)
		if isScope(scope) && !slices.Contains(c.scopes, scope) {
			c.scopes = append(c.scopes, scope)
		}
	}
	return nil
}

// readTopics takes in what the user hears of besides its own. What is there
// twice counts once.
func (c *claims) readTopics(v jsontext.Value) error {
	bad := invalid("the token's topics are not a list of names or patterns like project.*")
	if v.Kind() != '[' {
		return bad
	}
	list, err := readStrings("topics", v)
	if err != nil {
		return bad
	}
	if len(list) > MaxTopics {
		return invalid("the token has more than " + strconv.Itoa(MaxTopics) + " topics")
	}
	for _, s := range list {
		topic, err := notify.ParsePattern(s)
		if err != nil {
			return bad
		}
		if !slices.Contains(c.topics, topic) {
			c.topics = append(c.topics, topic)
		}
	}
	return nil
}

// readArray calls item for each value in the JSON array that v is.
func readArray(v jsontext.Value, item func(jsontext.Value) error) error {
	d := jsontext.NewDecoder(strings.NewReader(string(v)))
	if _, err := d.ReadToken(); err != nil {
		return errNoObject
	}
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return errNoObject
		}
		if err := item(v); err != nil {
			return err
		}
	}
	return nil
}
