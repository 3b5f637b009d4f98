package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// The reason of a refusal names what operators compare with their configuration. The detail,
// which the caller receives, contains none of that.
func TestReasonsNameWhatOperatorsCompare(t *testing.T) {
	revoked := false
	v := start(t, auth.Options{
		Secrets: [][]byte{secret()}, Issuer: "https://login.example.com", Audience: "bellhop", Clients: []string{"spa"},
		Revoked: func(notify.Principal) bool { return revoked },
	})
	claims := func(iss, aud, client, more string, exp time.Duration) string {
		return seal(`{"alg":"HS256","kid":"k1"}`, fmt.Sprintf(`{"sub":"ada","jti":"j1","iss":%q,"aud":%s,"azp":%q,"exp":%d%s}`, iss, aud, client, at(exp), more))
	}
	const ours, us, jti = "https://login.example.com", `"bellhop"`, "the jti of the token is \"j1\"; "
	unknown := sign(t, "HS256", strings.Repeat("k", 200), bytes.Repeat([]byte("c"), 32))
	for name, test := range map[string]struct {
		cause                 notify.Cause
		token, detail, reason string
	}{
		"expired":           {"", claims(ours, us, "spa", "", -200*time.Second), "the token's exp has passed", jti + "3m20s ago"},
		"audience":          {notify.CauseAudience, claims(ours, `["a","b","c","d"]`, "spa", "", time.Hour), "the audience (aud) of the token is not accepted here", jti + `its aud is "a", "b", "c" and 1 more`},
		"issuer":            {notify.CauseIssuer, claims("https://other.example", us, "spa", "", time.Hour), "the issuer (iss) of the token is not accepted here", jti + `its iss is "https://other.example"`},
		"client":            {notify.CauseClient, claims(ours, us, "app", "", time.Hour), "the token was issued to another client: its azp, client_id or appid is not among the configured clients", jti + `its clients are "app"`},
		"not yet":           {notify.CauseTime, claims(ours, us, "spa", fmt.Sprintf(`,"nbf":%d`, at(10*time.Minute)), time.Hour), "the token's nbf is in the future", jti + "10m0s ahead"},
		"issued in an hour": {notify.CauseTime, claims(ours, us, "spa", fmt.Sprintf(`,"iat":%d`, at(time.Hour)), 2*time.Hour), "the token's iat is in the future", jti + "1h0m0s ahead"},
		"lifetime":          {notify.CauseTime, claims(ours, us, "spa", "", 32*24*time.Hour), "the token's exp is more than 31 days ahead", jti + "768h0m0s ahead"},
		"signature":         {notify.CauseSignature, unknown, "the token's signature does not match", `kid "` + strings.Repeat("k", 39) + `"…, alg HS256, keys of issuer "https://login.example.com"`},
		"algorithm":         {notify.CauseKey, sign(t, "RS256", "", keys(t).rsa), "the token's kid or alg does not fit any configured key of its issuer", `no kid, alg RS256, keys of issuer "https://login.example.com"`},
	} {
		t.Run(name, func(t *testing.T) {
			requireReason(t, v, test.token, test.detail, test.reason, test.cause)
		})
	}
	good := claims(ours, us, "spa", "", time.Hour)
	_, err := v.Verify(t.Context(), good)
	require.NoError(t, err)
	revoked = true
	requireReason(t, v, good, "the token was revoked", `the jti of the token is "j1"`, "")
}

// The issuer of the settings, if they do not name one, is called by words.
func TestAReasonDoesNotNameAnIssuerWithoutAName(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	requireReason(t, v, sign(t, "HS256", "", bytes.Repeat([]byte("c"), 32)), "the token's signature does not match", "no kid, alg HS256, keys of the settings", notify.CauseSignature)
}

func requireReason(t *testing.T, v *auth.Verifier, token, detail, reason string, cause notify.Cause) {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
	var e *notify.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Equal(t, detail, e.Detail)
	require.Equal(t, reason, e.Reason)
	require.Equal(t, cause, e.Cause)
	require.ErrorContains(t, err, reason)
	require.NotContains(t, err.Error(), "ada", "the log has users as hashes")
	if strings.Contains(reason, "jti") { // the signature was verified
		require.Equal(t, notify.UserID("ada"), e.User)
	} else {
		require.Empty(t, e.User)
	}
	for part := range strings.SplitSeq(token, ".") {
		require.NotContains(t, err.Error(), part)
	}
}

// An unknown key is named by its hash, as the file of API keys does.
func TestAnUnknownAPIKeyIsNamedByItsHash(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	key, entry, err := auth.NewAPIKey("billing", []notify.Scope{notify.ScopePublish})
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), key)
	var e *notify.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, notify.CauseAPIKey, e.Cause)
	prefix := strings.TrimPrefix(e.Reason, "its sha256 begins with ")
	require.Len(t, prefix, 8)
	require.Contains(t, entry, "sha256: "+prefix)
}

func TestAnUnknownIssuerIsNamed(t *testing.T) {
	one := newIssuer(t, set(t, jwk(t, keys(t).ec256, "kid", "1")))
	v := start(t, auth.Options{IssuersFile: write(t, "issuers.yaml", []byte(entryOf("one", one.URL, "")))})
	requireReason(t, v, signOf(t, "ES256", "1", keys(t).ec256, map[string]any{"iss": "two\n", "sub": "ada"}),
		"the issuer (iss) of the token is not accepted here", `its iss is "two\n"; the issuers file does not list it`, notify.CauseIssuer)
}

func TestAnOldTimestampOfAWebhookIsCompared(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	err := v.CheckWebhook(signedHeader("id", fmt.Sprint(at(-10*time.Minute)), "v1,x"))
	var e *notify.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, "10m0s ago", e.Reason)
	require.Equal(t, notify.CauseTime, e.Cause)
	require.NotErrorIs(t, v.CheckWebhook(http.Header{}), notify.ErrTokenInvalid)
}
