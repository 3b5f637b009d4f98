package auth_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestSecretsFileIsReadAgain rotates the secrets of the settings and of an issuer in the
// issuers file. In between, the files contain a public key, which is refused.
func TestSecretsFileIsReadAgain(t *testing.T) {
	one, two, three := secret(), bytes.Repeat([]byte("2"), 32), bytes.Repeat([]byte("3"), 32)
	settings, own := write(t, "secret", one), write(t, "own", one)
	issuers := "- issuer: own\n  audiences: [bellhop]\n  secret_file: " + own + "\n  user_prefix: 'own:'\n"
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := start(t, auth.Options{
			SecretsFile: settings, UserPrefix: "home:", IssuersFile: write(t, "issuers.yaml", []byte(issuers)),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		accepts := func(key []byte) bool {
			t.Helper()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			_, err := v.Verify(t.Context(), sign(t, "HS256", "", key))
			_, ownErr := v.Verify(t.Context(), signOf(t, "HS256", "", key, jwt.MapClaims{"iss": "own", "aud": "bellhop", "sub": "ada"}))
			require.Equal(t, err == nil, ownErr == nil, "%v, %v", err, ownErr)
			return err == nil
		}
		put := func(content []byte) {
			t.Helper()
			for _, path := range []string{settings, own} {
				require.NoError(t, os.WriteFile(path, content, 0o600))
			}
		}
		require.True(t, accepts(one))
		put(append(append(bytes.Clone(two), '\n'), one...))
		require.True(t, accepts(two))
		require.True(t, accepts(one))
		put(append([]byte("\ufeff"), append(bytes.Clone(two), "\r\n"...)...))
		require.True(t, accepts(two))
		require.False(t, accepts(one), "a token that was accepted before, too")

		log.Reset()
		put(pemOf(t, keys(t).ec256))
		time.Sleep(time.Minute)
		require.True(t, accepts(two), "the last good secrets stay")
		require.Equal(t, 2, strings.Count(log.String(), "\n"), "one line for each file: %s", &log)
		require.Contains(t, log.String(), "PEM")
		put(three)
		require.True(t, accepts(three))
		require.False(t, accepts(two))
	})
}

// TestKeysAreRefusedAsSecrets configures an issuer's public key as a shared secret. If it were
// accepted, everyone with the public key could sign tokens.
func TestKeysAreRefusedAsSecrets(t *testing.T) {
	k := keys(t)
	der, err := x509.MarshalPKIXPublicKey(public(t, k.ec256))
	require.NoError(t, err)
	for _, key := range [][]byte{pemOf(t, k.ec256), pemOf(t, k.rsa), der, set(t, jwk(t, k.ec256)), certificateOf(t, k.ec256)} {
		for _, o := range []auth.Options{
			{Secrets: [][]byte{key}},
			{SecretsFile: write(t, "secret", key)},
			{IssuersFile: write(t, "issuers.yaml", []byte("- issuer: own\n  audiences: [bellhop]\n  secret_file: "+write(t, "own", key)+"\n"))},
		} {
			_, err := auth.New(t.Context(), o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), string(key))
		}
	}
}

// TestFilesOfAnyEditor reads every file with CRLF line ends, with and without a byte order
// mark. YAML files are also read in UTF-16.
func TestFilesOfAnyEditor(t *testing.T) {
	k := keys(t)
	key, entry, err := auth.NewAPIKey("billing", []notify.Scope{notify.ScopePublish})
	require.NoError(t, err)
	dos := func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
	bom := func(text string) string { return "\ufeff" + dos(text) }
	wide := func(text string) string {
		var b []byte
		for _, unit := range utf16.Encode([]rune(bom(text))) {
			b = append(b, byte(unit>>8), byte(unit))
		}
		return string(b)
	}
	for _, lists := range []func(string) string{dos, bom, wide} {
		texts := lists
		if strings.HasPrefix(lists("a"), "\xfe\xff") {
			texts = bom // for files that are not YAML
		}
		o := anyone()
		o.UserPrefix = "home:"
		o.SecretsFile = write(t, "secret", []byte(texts(string(secret())+"\n")))
		o.PublicKeyFile = write(t, "key.pem", []byte(texts(string(pemOf(t, k.ed)))))
		o.JWKS = write(t, "jwks.json", []byte(texts(string(set(t, jwk(t, k.ec384)))+"\n")))
		o.APIKeysFile = write(t, "keys.yaml", []byte(lists(entry)))
		o.WebhooksFile = write(t, "hooks.yaml", []byte(lists("- name: shop\n  secrets:\n  - whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n  scopes: [notify:publish]\n")))
		o.IssuersFile = write(t, "issuers.yaml", []byte(lists(entryOf("one", write(t, "one.json", []byte(texts(string(set(t, jwk(t, k.ec521)))))), ""))))
		v := start(t, o)
		for _, token := range []string{
			key, sign(t, "HS256", "", secret()), sign(t, "EdDSA", "", k.ed), sign(t, "ES384", "", k.ec384),
			signOf(t, "ES512", "", k.ec521, jwt.MapClaims{"iss": "one", "aud": "bellhop", "sub": "ada"}),
		} {
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
		}
	}
}

// TestListsRefuseQuotesWithinValues has values with quotes inside of YAML's quotes, and other
// invalid values. The error names the line and contains no hash and no secret.
func TestListsRefuseQuotesWithinValues(t *testing.T) {
	k := keys(t)
	jwks := write(t, "jwks.json", set(t, jwk(t, k.ec256)))
	hash := strings.Repeat("0f", 32)
	for name, o := range map[string]auth.Options{
		"an issuer":        {IssuersFile: "- issuer: '\"https://one.example\"'\n  audiences: [bellhop]\n  jwks: " + jwks},
		"an audience":      {IssuersFile: "- issuer: one\n  audiences: ['\"bellhop\"']\n  jwks: " + jwks},
		"a path":           {IssuersFile: "- issuer: one\n  audiences: [bellhop]\n  jwks: \"'" + jwks + "'\""},
		"a line break":     {IssuersFile: "- issuer: \"one\\n\"\n  audiences: [bellhop]\n  jwks: " + jwks},
		"a NUL byte":       {IssuersFile: "- issuer: one\n  audiences: [\"bell\\0hop\"]\n  jwks: " + jwks},
		"a prefix":         {IssuersFile: "- issuer: one\n  audiences: [bellhop]\n  user_prefix: '\"one:\"'\n  jwks: " + jwks},
		"a hash":           {APIKeysFile: "- name: a\n  sha256: '\"" + hash + "\"'\n  scopes: [notify:publish]"},
		"a webhook secret": {WebhooksFile: "- name: a\n  secrets: ['\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"']\n  scopes: [notify:publish]"},
		"a key as secret of a webhook": {WebhooksFile: "- name: a\n  secrets: [whsec_" + base64.StdEncoding.EncodeToString([]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"+strings.Repeat("k", 32))) +
			"]\n  scopes: [notify:publish]"},
	} {
		for _, file := range []*string{&o.IssuersFile, &o.APIKeysFile, &o.WebhooksFile} {
			if *file != "" {
				*file = write(t, "list.yaml", []byte(*file))
			}
		}
		o.Secrets = [][]byte{secret()}
		if o.IssuersFile != "" {
			o.Secrets = nil
		}
		_, err := auth.New(t.Context(), o)
		require.ErrorContains(t, err, "line ", name)
		require.NotContains(t, err.Error(), "MfKQ9r8G", name)
		require.NotContains(t, err.Error(), hash, name)
	}
}
