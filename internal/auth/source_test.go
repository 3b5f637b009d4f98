//go:build unix

package auth_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestReloadReadsEveryFileImmediately changes every file and a key set. Reload applies the
// changes without waiting for the next poll.
func TestReloadReadsEveryFileImmediately(t *testing.T) {
	k := keys(t)
	i := newIssuer(t, set(t, jwk(t, k.ec256)))
	key, entry, err := auth.NewAPIKey("billing", []notify.Scope{notify.ScopePublish})
	require.NoError(t, err)
	o := anyone()
	o.UserPrefix = "me:"
	o.PublicKeyFile = write(t, "key.pem", pemOf(t, k.ec256))
	o.IssuersFile = write(t, "issuers.yaml", []byte(entryOf("one", i.URL, "")))
	o.APIKeysFile = write(t, "keys.yaml", []byte("[]"))
	o.WebhooksFile = write(t, "hooks.yaml", []byte("[]"))
	v := start(t, o)

	i.serve(set(t, jwk(t, k.ec384)))
	for path, content := range map[string][]byte{
		o.PublicKeyFile: pemOf(t, k.ed), o.APIKeysFile: []byte(entry),
		o.WebhooksFile: []byte("- name: shop\n  secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]\n  scopes: [notify:publish]\n"),
		o.IssuersFile:  []byte(entryOf("one", i.URL, "") + entryOf("two", i.URL, "")),
	} {
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	require.NoError(t, v.Reload(t.Context()))
	for _, token := range []string{
		key, sign(t, "EdDSA", "", k.ed),
		signOf(t, "ES384", "", k.ec384, jwt.MapClaims{"iss": "one", "aud": "bellhop", "sub": "ada"}),
		signOf(t, "ES384", "", k.ec384, jwt.MapClaims{"iss": "two", "aud": "bellhop", "sub": "ada"}),
	} {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	require.NoError(t, v.CheckWebhook(signedHeader("1", strconv.FormatInt(at(0), 10), "v1,x")))
}

// TestAFileReplacedByAFIFODoesNotBlock replaces every file by a FIFO, on which
// opening and reading would block forever.
func TestAFileReplacedByAFIFODoesNotBlock(t *testing.T) {
	k := keys(t)
	o := anyone()
	o.UserPrefix = "me:"
	o.PublicKeyFile = write(t, "key.pem", pemOf(t, k.ec256))
	o.JWKS = write(t, "jwks.json", set(t, jwk(t, k.ec384)))
	o.IssuersFile = write(t, "issuers.yaml", []byte(entryOf("one", write(t, "one.json", set(t, jwk(t, k.ed))), "")))
	o.APIKeysFile = write(t, "keys.yaml", []byte("[]"))
	o.WebhooksFile = write(t, "hooks.yaml", []byte("[]"))
	v := start(t, o)
	files := []string{o.PublicKeyFile, o.JWKS, o.IssuersFile, o.APIKeysFile, o.WebhooksFile}
	for _, path := range files {
		require.NoError(t, os.Remove(path))
		require.NoError(t, syscall.Mkfifo(path, 0o600))
	}
	err := v.Reload(t.Context())
	require.Equal(t, len(files), strings.Count(err.Error(), "named pipe"), "%v", err)
	for _, path := range files {
		require.ErrorContains(t, err, path)
	}
	for alg, key := range map[string]any{"ES256": k.ec256, "ES384": k.ec384} {
		_, err := v.Verify(t.Context(), sign(t, alg, "", key))
		require.NoError(t, err, "the last good keys stay")
	}
	wrong := auth.CheckFiles(t.Context(), o)
	for _, err := range []error{wrong.PublicKey, wrong.JWKS, wrong.Issuers, wrong.APIKeys, wrong.Webhooks} {
		require.ErrorContains(t, err, "named pipe")
	}
	v.Close()
}
