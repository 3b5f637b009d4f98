package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

const requestID = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"

// answer is the answer to err, over HTTP/1.1.
type answer struct {
	*httptest.ResponseRecorder
	problem.Details
}

func respond(t *testing.T, err error, change ...func(*http.Request)) answer {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	for _, f := range change {
		f(r)
	}
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	a.Header().Set("X-Request-Id", requestID)
	a.Header().Set("Connection", "close")
	problem.Respond(a, r, err)
	require.NoError(t, json.Unmarshal(a.Body.Bytes(), &a.Details))
	return a
}

// Every kind of error has a name, a status and the headers that HTTP wants beside it,
// and any other error is internal and tells its client nothing.
func TestEveryKindOfErrorHasAnAnswer(t *testing.T) {
	const (
		bearer = "Bearer"
		bad    = `Bearer error="invalid_token"`
		scope  = `Bearer error="insufficient_scope"`
	)
	for kind, want := range map[error]struct {
		name, challenge, retry string
	}{
		notify.ErrMalformed:       {"400 malformed", "", ""},
		notify.ErrUnauthenticated: {"401 unauthenticated", bearer, ""},
		notify.ErrTokenInvalid:    {"401 token-invalid", bad, ""},
		notify.ErrTokenExpired:    {"401 token-expired", bad, ""},
		notify.ErrTokenRevoked:    {"401 token-revoked", bad, ""},
		notify.ErrScope:           {"403 scope", scope, ""},
		notify.ErrOrigin:          {"403 origin", "", ""},
		notify.ErrNotFound:        {"404 not-found", "", ""},
		notify.ErrMethod:          {"405 method", "", ""},
		notify.ErrInProgress:      {"409 in-progress", "", "1"},
		notify.ErrTooLarge:        {"413 too-large", "", ""},
		notify.ErrMediaType:       {"415 media-type", "", ""},
		notify.ErrMisdirected:     {"421 misdirected", "", ""},
		notify.ErrInvalid:         {"422 invalid", "", ""},
		notify.ErrKeyReused:       {"422 key-reused", "", ""},
		notify.ErrUpgrade:         {"426 upgrade", "", ""},
		notify.ErrLimit:           {"429 limit", "", "1"},
		notify.ErrDraining:        {"503 draining", "", "1"},
		notify.ErrUnavailable:     {"503 unavailable", "", "5"},
		notify.ErrOutcomeUnknown:  {"503 outcome-unknown", "", "1"},
		errors.New("secret"):      {"500 internal", "", ""},
	} {
		a := respond(t, fmt.Errorf("publish: %w", kind))
		name, _ := strings.CutPrefix(a.Type, "urn:bellhop:problem:")
		assert.Equal(t, want.name, fmt.Sprint(a.Code, " ", name))
		assert.Equal(t, a.Code, a.Status)
		assert.NotEmpty(t, a.Title, name)
		assert.Empty(t, a.Detail, name)
		assert.Equal(t, "urn:uuid:"+requestID, a.Instance)
		assert.Equal(t, want.challenge, a.Header().Get("WWW-Authenticate"), name)
		assert.Equal(t, want.retry, a.Header().Get("Retry-After"), name)
		assert.Equal(t, "application/problem+json", a.Header().Get("Content-Type"))
		assert.Equal(t, "no-store", a.Header().Get("Cache-Control"))
		assert.Equal(t, fmt.Sprint(a.Body.Len()), a.Header().Get("Content-Length"))
		assert.NotContains(t, a.Body.String(), "secret")
	}
}

func TestDetailAndFaultsComeFromTheError(t *testing.T) {
	assert.Equal(t, "at most 7", respond(t, notify.Errorf(notify.ErrTooLarge, "at most %d", 7)).Detail)
	fault := notify.Fault{Pointer: "/to", Detail: "<is> required"}
	a := respond(t, notify.Invalid(fault))
	assert.Equal(t, []notify.Fault{fault}, a.Errors)
	assert.Contains(t, a.Body.String(), "<is>", "no escapes for HTML")
	assert.NotContains(t, a.Body.String(), "\n")
	internal := respond(t, &notify.Error{Kind: errors.New("of no kind"), Detail: "secret"})
	assert.Empty(t, internal.Detail)
	assert.Empty(t, problem.Of(notify.ErrLimit).Instance)
}

// A rate says in how many whole seconds a request will pass again, a number of
// connections that there is no window.
func TestLimitsNameTheirPolicy(t *testing.T) {
	rate := notify.Rate{Name: "requests", Quota: 20, Window: 10 * time.Second}
	h := respond(t, &notify.Error{Kind: notify.ErrLimit, RetryAfter: 1500 * time.Millisecond, Rate: rate}).Header()
	assert.Equal(t, "2", h.Get("Retry-After"))
	assert.Equal(t, `"requests";q=20;w=10`, h.Get("RateLimit-Policy"))
	assert.Equal(t, `"requests";r=0;t=2`, h.Get("RateLimit"))
	h = respond(t, &notify.Error{Kind: notify.ErrLimit, RetryAfter: 5 * time.Second, Rate: notify.Rate{Name: "connections", Quota: 3}}).Header()
	assert.Equal(t, `"connections";q=3;qu="concurrent-requests"`, h.Get("RateLimit-Policy"))
	h = respond(t, notify.ErrLimit).Header()
	assert.Empty(t, h.Values("RateLimit"))
}

// An upgrade is a matter of HTTP/1.1; the headers that ask for one are errors in HTTP/2.
func TestUpgradeRequiredNamesTheProtocol(t *testing.T) {
	h := respond(t, notify.ErrUpgrade).Header()
	assert.Equal(t, "13", h.Get("Sec-WebSocket-Version"))
	assert.Equal(t, "websocket", h.Get("Upgrade"))
	assert.Equal(t, []string{"close", "Upgrade"}, h.Values("Connection"))
	h = respond(t, notify.ErrUpgrade, func(r *http.Request) { r.ProtoMajor = 2 }).Header()
	assert.Equal(t, "13", h.Get("Sec-WebSocket-Version"))
	assert.Empty(t, h.Get("Upgrade"))
	assert.Equal(t, []string{"close"}, h.Values("Connection"))
}
