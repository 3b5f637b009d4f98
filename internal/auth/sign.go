package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
)

// Claims are what Sign puts in a token.
type Claims struct {
	User     notify.UserID
	Scopes   []notify.Scope
	Topics   []notify.TopicPattern
	Issuer   string // left out if empty or Any
	Audience string // left out if empty or Any
	Since    time.Time

	// TTL is from now to the token's exp. Expires, if set, is the exp itself
	// and may be in the past, as tests of expiry need it.
	TTL     time.Duration
	Expires time.Time
}

// Sign returns a token for c, signed with HS256: for development, tests and
// backends that share the secret. It refuses what no Verifier would accept.
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
			return "", errors.New("sign token: its time to live must be from 1 second to 31 days")
		}
		expires = now.Add(c.TTL)
	}
	claims := jwt.MapClaims{"sub": string(c.User), "iat": now.Unix(), "exp": expires.Unix()}
	if len(c.Scopes) > 0 {
		claims["scope"] = joinScopes(c.Scopes)
	}
	if len(c.Topics) > 0 {
		claims["topics"] = c.Topics
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

func joinScopes(scopes []notify.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

func checkTopics(topics []notify.TopicPattern) error {
	if len(topics) > MaxTopics {
		return fmt.Errorf("it may have %d topics at most", MaxTopics)
	}
	for _, p := range topics {
		if _, err := notify.ParsePattern(string(p)); err != nil {
			return err
		}
	}
	return nil
}
