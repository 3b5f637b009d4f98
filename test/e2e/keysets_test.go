package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/idp"
)

// trusting configures the service to accept the tokens of i.
func trusting(i *idp.Issuer) func(*config.Config) {
	return func(c *config.Config) {
		c.JWTSecret, c.JWKS, c.JWTIssuer, c.JWTAudience = nil, i.JWKS(), i.URL, audience
	}
}

// inboxWith requests the inbox of ada with a token signed by k and returns the status.
func (s *service) inboxWith(i *idp.Issuer, k idp.Key) int {
	s.t.Helper()
	claims := map[string]any{"iss": i.URL, "aud": audience, "sub": "ada", "exp": time.Now().Add(time.Hour).Unix()}
	return s.do(http.MethodGet, "/inbox", "", "Authorization", "Bearer "+k.Token(s.t, claims)).StatusCode
}

// TestProvidersRotateTheirKeys checks that the tokens of each provider are accepted
// before and after the provider adds a key to its set.
func TestProvidersRotateTheirKeys(t *testing.T) {
	for _, p := range idp.Providers(idp.NewRing(t)) {
		t.Run(p.Name, func(t *testing.T) {
			i := idp.New(t, p.Set(t, p.Keys[0]))
			s := start(t, trusting(i))
			require.Equal(t, http.StatusOK, s.inboxWith(i, p.Keys[0]))
			require.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").StatusCode)
			i.Publish(p.Set(t, p.Keys[1], p.Keys[0]))
			require.Equal(t, http.StatusOK, s.inboxWith(i, p.Keys[1]), "a new key is accepted immediately")
			require.Equal(t, http.StatusOK, s.inboxWith(i, p.Keys[0]))
		})
	}
}

// TestNotReadyBeforeKeysAreLoaded starts a service whose key set answers 404.
func TestNotReadyBeforeKeysAreLoaded(t *testing.T) {
	key := idp.NewRing(t).EC(0, "one")
	i := idp.New(t, nil)
	i.Fail(http.StatusNotFound)
	s := start(t, trusting(i), func(c *config.Config) { c.JWKS += "?apikey=hunter2" })
	label := `{issuer="` + i.URL + `"} `
	s.onEachNode(func() {
		a := s.do(http.MethodGet, "/readyz", "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		require.Equal(t, "unavailable", a.problem(t))
		require.Contains(t, a.json(t)["detail"], i.URL)
		require.Equal(t, http.StatusOK, s.do(http.MethodGet, "/livez", "").StatusCode, "a restart would not help")
		metrics := s.metrics()
		assert.Contains(t, metrics, "bellhop_issuer_keys"+label+"0\n")
		assert.Contains(t, metrics, "bellhop_issuer_key_load_failures_total"+label+"1\n")
		assert.Contains(t, metrics, "bellhop_issuer_key_load_last_success_timestamp_seconds"+label+"0\n")
		assert.Contains(t, metrics, "bellhop_issuer_key_load_last_attempt_timestamp_seconds"+label)
		assert.NotContains(t, strings.ToLower(metrics+string(a.body)), "hunter")
	})

	i.Publish(idp.Set(key.JWK(nil)))
	s.onEachNode(func() {
		require.Equal(t, http.StatusOK, s.inboxWith(i, key), "the first token makes the node fetch the keys")
		require.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").StatusCode)
		assert.Contains(t, s.metrics(), "bellhop_issuer_keys"+label+"1\n")
	})
}

// TestSecretFileIsReplaced rewrites the file of the shared secret while the service
// runs.
func TestSecretFileIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	put := func(content string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	put(secret + "\n")
	s := start(t, func(c *config.Config) { c.JWTSecret, c.JWTSecretFile = nil, path })
	oldToken := token(t, "ada")
	status := func(token string) int {
		t.Helper()
		return s.do(http.MethodGet, "/inbox", "", "Authorization", "Bearer "+token).StatusCode
	}
	require.Equal(t, http.StatusOK, status(oldToken))
	const next = "another e2e secret of 32 bytes or more"
	put("\ufeff" + next + "\r\n")
	newToken, err := auth.Sign([]byte(next), auth.Claims{User: "ada", TTL: time.Hour})
	require.NoError(t, err)
	s.onEachNode(func() {
		require.Eventually(t, func() bool { return status(newToken) == http.StatusOK }, timeout, 50*time.Millisecond)
		require.Equal(t, http.StatusUnauthorized, status(oldToken))
	})
}
