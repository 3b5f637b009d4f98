package auth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
)

// Claims are the claims of a token that Sign makes.
type Claims struct {
	User     notify.UserID
	Scopes   []notify.Scope
	Topics   []notify.TopicPattern
	Issuer   string // left out if empty or Any
	Audience string // left out if empty or Any
	Since    time.Time

	// The names of the claims, as in Options. Empty: the defaults of Options. User
	// includes the prefix.
	UserClaim   string
	UserPrefix  string
	ScopeClaim  string
	ScopePrefix string
	TopicsClaim string
	Client      string // the claim azp; left out if empty

	// TTL is the time from now to the exp of the token. Expires, if set, is the exp
	// itself, and may be in the past for tests of expiry.
	TTL     time.Duration
	Expires time.Time
}

// Sign returns a token with the claims c, signed with HS256. It is for development, tests and
// backends that have the secret. It refuses claims that a Verifier would not accept.
func Sign(secret []byte, c Claims) (string, error) {
	if len(secret) < MinSecretBytes {
		return "", fmt.Errorf("sign token: a secret of %d bytes or more is needed", MinSecretBytes)
	}
	if _, err := notify.ParseUser(string(c.User)); err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if err := checkTopics(c.Topics); err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	now := time.Now()
	expires := c.Expires
	if expires.IsZero() {
		if c.TTL < time.Second || c.TTL > MaxLifetime {
			return "", errors.New("sign token: the time to live must be from 1 second to 31 days")
		}
		expires = now.Add(c.TTL)
	}
	claims := jwt.MapClaims{"iat": now.Unix(), "exp": expires.Unix()}
	if err := c.addMapped(claims); err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if c.Issuer != "" && c.Issuer != Any {
		claims["iss"] = c.Issuer
	}
	if c.Audience != "" && c.Audience != Any {
		claims["aud"] = c.Audience
	}
	if !c.Since.IsZero() {
		claims["since"] = c.Since.Unix()
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
}

// addMapped adds the claims whose names are configurable.
func (c *Claims) addMapped(claims jwt.MapClaims) error {
	prefix := c.UserPrefix
	if prefix == noPrefix {
		prefix = ""
	}
	user, ok := strings.CutPrefix(string(c.User), prefix)
	if !ok || user == "" {
		return fmt.Errorf("the user must begin with the user prefix %s", prefix)
	}
	if c.Client != "" {
		claims["azp"] = c.Client
	}
	err := addClaim(claims, cmp.Or(c.UserClaim, defaultUserClaim), user)
	if len(c.Scopes) > 0 {
		err = errors.Join(err, addClaim(claims, cmp.Or(c.ScopeClaim, defaultScopeClaims()[0]), joinScopes(c.Scopes, c.ScopePrefix, " ")))
	}
	if len(c.Topics) > 0 {
		err = errors.Join(err, addClaim(claims, cmp.Or(c.TopicsClaim, defaultTopicsClaim), c.Topics))
	}
	return err
}

// addClaim sets the claim that text names, and creates the objects around it.
func addClaim(claims map[string]any, text string, value any) error {
	ref, err := parseClaim(text)
	if err != nil {
		return fmt.Errorf("%s %w", text, err)
	}
	path := append([]string{ref.name}, ref.path...)
	for _, name := range path[:len(path)-1] {
		inner, ok := claims[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			claims[name] = inner
		}
		claims = inner
	}
	claims[path[len(path)-1]] = value
	return nil
}

func joinScopes(scopes []notify.Scope, prefix, separator string) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = prefix + string(s)
	}
	return strings.Join(names, separator)
}

func checkTopics(topics []notify.TopicPattern) error {
	if len(topics) > MaxTopics {
		return fmt.Errorf("a token may have at most %d topics", MaxTopics)
	}
	for _, p := range topics {
		if _, err := notify.ParsePattern(string(p)); err != nil {
			return err
		}
	}
	return nil
}
