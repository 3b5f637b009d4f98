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

// Limits of the commands that are clients of a service.
const (
	maxAnswer      = 1 << 20 // size of an answer in bytes
	requestTimeout = 30 * time.Second
	maxWait        = 30 * time.Second // between two attempts
)

// client has the flags of a command that is a client of a service.
type client struct {
	URL   string `placeholder:"URL" help:"URL of the service, with its base path (BELLHOP_URL, default http://127.0.0.1:8080)"`
	Token string `placeholder:"TOKEN" help:"token that the service verifies (BELLHOP_TOKEN, which the process list does not show)"`
}

// resolve returns the URL of the service, without a slash at its end, and the
// token, from the flags or else the environment.
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
		return "", "", usagef("no token: set --token or BELLHOP_TOKEN; bellhop token prints one")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", "", usagef("the token has white space or characters that are not printable ASCII; a JWT or API key has neither")
	}
	base, err = baseURL(text.Value(base))
	return base, token, err
}

// baseURL checks that text is the URL of a service, and removes slashes at its
// end. The error does not repeat text, which may contain a password.
func baseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usagef("the URL must be like http://127.0.0.1:8080 or https://example.com/bellhop, without a user, query or fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// refuseRedirect stops an HTTP client from following redirects: the token must not
// reach another server.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// problemError is an answer by which the service refused a request.
type problemError struct {
	status int
	after  string // Retry-After
	text   string
}

func (e *problemError) Error() string { return e.text }

// isTemporary reports whether the same request may succeed later.
func (e *problemError) isTemporary() bool {
	switch e.status {
	case http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		http.StatusBadGateway, http.StatusGatewayTimeout: // the last two come from proxies
		return true
	}
	return false
}

// retryAfter returns the delay in Retry-After, at most maxWait. Without a valid one
// it returns fallback.
func (e *problemError) retryAfter(fallback time.Duration) time.Duration {
	seconds, err := strconv.ParseUint(e.after, 10, 16)
	if err != nil {
		return fallback
	}
	return min(maxWait, time.Duration(seconds)*time.Second)
}

// problemOf returns the error of an answer: the status, the problem in the body if
// there is one, and a line for each invalid member.
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

// backoff computes the delay before the next attempt. Delays are random, so that
// many clients do not return together, and their maximum doubles with each failure.
type backoff struct{ failures int }

func (b *backoff) next() time.Duration {
	longest := min(maxWait, 500*time.Millisecond<<min(b.failures, 10))
	b.failures++
	return rand.N(longest) //nolint:gosec // not a secret
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits for d. If ctx ends before, it returns an error.
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
