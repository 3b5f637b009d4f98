package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/text"
)

// What the commands that are clients of a service allow it.
const (
	maxAnswer      = 1 << 20
	requestTimeout = 30 * time.Second
	maxWait        = 30 * time.Second
)

// client is the flags of a command that is a client of a service.
type client struct {
	URL   string `placeholder:"URL" help:"where the service is, with its base path (BELLHOP_URL, default http://127.0.0.1:8080)"`
	Token string `placeholder:"TOKEN" help:"token of the user (BELLHOP_TOKEN, which other users of this machine do not see)"`
}

// resolve returns the address of the service without a slash at its end, and
// the token.
func (c *client) resolve(t *terminal) (base, token string, err error) {
	base, token = c.URL, strings.TrimSpace(c.Token)
	if base == "" {
		base = t.getenv("BELLHOP_URL")
	}
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	if token == "" {
		token = strings.TrimSpace(t.getenv("BELLHOP_TOKEN"))
	}
	if token == "" {
		return "", "", usagef("a token is needed: --token or BELLHOP_TOKEN; bellhop token makes one")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", "", usagef("the token holds characters that no token has")
	}
	base, err = baseURL(text.Value(base))
	return base, token, err
}

// baseURL checks that text is the address of a service. What is wrong with it
// is told without repeating it: it may hold a password.
func baseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usagef("the URL must be like http://127.0.0.1:8080 or https://example.com/bellhop")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// refuseRedirect keeps a client where it was sent: its token is for nobody else.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// problemError is what a service answered instead of doing what it was asked.
type problemError struct {
	status int
	after  string // Retry-After
	text   string
}

func (e *problemError) Error() string { return e.text }

// passing reports whether the same request may be answered otherwise later.
func (e *problemError) passing() bool {
	switch e.status {
	case http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		http.StatusBadGateway, http.StatusGatewayTimeout: // of a proxy
		return true
	}
	return false
}

// retryAfter returns what the service asks for, in bounds, else otherwise.
func (e *problemError) retryAfter(otherwise time.Duration) time.Duration {
	seconds, err := strconv.ParseUint(e.after, 10, 16)
	if err != nil {
		return otherwise
	}
	return min(maxWait, time.Duration(seconds)*time.Second)
}

// problemOf makes an answer readable: the problem it tells of, a line for each
// fault, or at least its status.
func problemOf(status int, after string, body []byte) *problemError {
	var p struct {
		Type, Title, Detail string
		Errors              []struct{ Pointer, Detail string }
	}
	name := http.StatusText(status)
	if json.Unmarshal(body, &p) == nil && p.Type != "" {
		name = strings.TrimPrefix(p.Type, "urn:bellhop:problem:")
	}
	text := strconv.Itoa(status) + " " + name
	if p.Detail != "" {
		text += ": " + p.Detail
	} else if p.Title != "" {
		text += ": " + p.Title
	}
	text = printable(text)
	for _, f := range p.Errors {
		text += "\n  " + printable(f.Pointer+" "+f.Detail)
	}
	return &problemError{status, after, text}
}

// backoff is how long to wait before the next attempt: at random up to a bound
// that doubles, so that many clients do not return together.
type backoff struct{ failures int }

func (b *backoff) next() time.Duration {
	most := min(maxWait, 500*time.Millisecond<<min(b.failures, 10))
	b.failures++
	return rand.N(most) //nolint:gosec // no secret hangs on it
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits, or until ctx ends, which it returns as an error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}
