//go:build unix

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/idp"
)

// TestStopWhenFilesHaveBecomePipes replaces every watched file with a FIFO that has
// no writer, so that opening it would block.
func TestStopWhenFilesHaveBecomePipes(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	ring := idp.NewRing(t)
	p := newPair(t, "one")
	s := start(t, func(c *config.Config) {
		c.JWTSecret, c.JWTSecretFile = nil, put("secret", secret)
		c.JWTPublicKeyFile, c.JWKS = put("key.pem", string(ring.RSA(0, "").PEM(t))), put("jwks.json", string(idp.Set(ring.EC(0, "").JWK(nil))))
		c.JWTIssuer, c.JWTAudience, c.JWTUserPrefix = auth.Any, audience, "home:"
		c.IssuersFile = put("issuers.yaml", "- issuer: one\n  audiences: [bellhop]\n  user_prefix: 'one:'\n  jwks: "+c.JWKS+"\n")
		c.APIKeysFile, c.WebhooksFile = put("keys.yaml", "[]"), put("hooks.yaml", "[]")
		c.TLSCertFile, c.TLSKeyFile = put("cert.pem", string(p.cert)), put("cert.key", string(p.key))
	})
	s.trusts(p)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 8)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		require.NoError(t, os.Remove(path))
		require.NoError(t, syscall.Mkfifo(path, 0o600))
	}
	failing := []*regexp.Regexp{regexp.MustCompile(`bellhop_issuer_key_load_failures_total\{issuer="\*"\} [1-9]`)}
	for _, file := range []string{"token_keys", "issuers", "api_keys", "webhooks", "tls_certificate"} {
		failing = append(failing, regexp.MustCompile(`bellhop_file_load_failing\{file="`+file+`"\} 1\n`))
	}
	s.onEachNode(func() {
		require.Eventually(t, func() bool {
			metrics := s.metrics()
			return !slices.ContainsFunc(failing, func(r *regexp.Regexp) bool { return !r.MatchString(metrics) })
		}, timeout, 50*time.Millisecond, "the changed files are not read")
		require.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").StatusCode, "the last valid versions stay in use")
	})
	require.NoError(t, s.stop())
}
