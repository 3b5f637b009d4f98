package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestAlgorithms(t *testing.T) {
	k := keys(t)
	all := map[string]any{
		"HS256": secret(), "HS384": secret(), "HS512": secret(),
		"RS256": k.rsa, "RS384": k.rsa, "RS512": k.rsa,
		"PS256": k.rsa, "PS384": k.rsa, "PS512": k.rsa,
		"ES256": k.ec256, "ES384": k.ec384, "ES512": k.ec521,
		"EdDSA": k.ed,
	}
	verifierOf := func(t *testing.T, alg string, key any) *auth.Verifier {
		o := anyone()
		o.Algorithms = []string{alg}
		if s, ok := key.([]byte); ok {
			o.Secrets = [][]byte{s}
		} else {
			o.PublicKeyFile = write(t, "key.pem", pemOf(t, key))
		}
		return start(t, o)
	}
	for alg, key := range all {
		t.Run(alg, func(t *testing.T) {
			v := verifierOf(t, alg, key)
			p, err := v.Verify(t.Context(), sign(t, alg, "", key))
			require.NoError(t, err)
			require.Equal(t, notify.UserID("ada"), p.User)

			for other, key := range all {
				if other == alg {
					continue
				}
				token := sign(t, other, "", key)
				_, err := v.Verify(t.Context(), token)
				requireKind(t, notify.ErrTokenInvalid, err, token)
			}
		})
	}
}

func TestOneAlgorithmPerKey(t *testing.T) {
	k := keys(t)
	rsaFile := write(t, "key.pem", pemOf(t, k.rsa))
	tests := map[string]struct {
		algorithms []string
		want       string
	}{
		"the default":            {nil, "RS256"},
		"the one that is listed": {[]string{"PS384"}, "PS384"},
		"the first that fits":    {[]string{"ES256", "HS256", "PS256", "RS256"}, "PS256"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := anyone()
			o.PublicKeyFile, o.Algorithms = rsaFile, test.algorithms
			v := start(t, o)
			for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
				_, err := v.Verify(t.Context(), sign(t, alg, "", k.rsa))
				if alg == test.want {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, notify.ErrTokenInvalid, alg)
				}
			}
		})
	}

	t.Run("a public key is no secret", func(t *testing.T) {
		o := anyone()
		o.PublicKeyFile, o.Secrets = rsaFile, [][]byte{secret()}
		v := start(t, o)
		_, err := v.Verify(t.Context(), sign(t, "HS256", "", pemOf(t, k.rsa)))
		require.ErrorIs(t, err, notify.ErrTokenInvalid)
	})
}

func TestPublicKeyFile(t *testing.T) {
	k := keys(t)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)})
	tests := map[string]struct {
		file   []byte
		tokens []string
	}{
		"public key":  {pemOf(t, k.ec256), []string{sign(t, "ES256", "of no meaning", k.ec256)}},
		"PKCS 1":      {pkcs1, []string{sign(t, "RS256", "", k.rsa)}},
		"certificate": {certificateOf(t, k.ec384), []string{sign(t, "ES384", "", k.ec384)}},
		"several": {
			append(append([]byte("text is skipped\n"), pemOf(t, k.ed)...), certificateOf(t, k.rsa)...),
			[]string{sign(t, "EdDSA", "", k.ed), sign(t, "RS256", "", k.rsa)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := anyone()
			o.PublicKeyFile = write(t, "key.pem", test.file)
			v := start(t, o)
			for _, token := range test.tokens {
				_, err := v.Verify(t.Context(), token)
				require.NoError(t, err)
			}
		})
	}
}

func TestPublicKeyFileRefused(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	odd, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(keys(t).ed)
	require.NoError(t, err)
	tests := map[string]struct {
		file []byte
		want string
	}{
		"empty":        {nil, "no PEM block"},
		"no PEM":       {[]byte("ssh-ed25519 AAAA"), "no PEM block"},
		"private key":  {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "private"},
		"something":    {pem.EncodeToMemory(&pem.Block{Type: "X509 CRL"}), "X509 CRL"},
		"broken":       {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "block 1"},
		"short RSA":    {pemOf(t, small), "1024 bits"},
		"P-224":        {pemOf(t, odd), "P-256"},
		"second wrong": {append(pemOf(t, keys(t).ed), pemOf(t, small)...), "block 2"},
		"too large":    {make([]byte, 1<<20+1), "1048576"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := anyone()
			o.PublicKeyFile = write(t, "key.pem", test.file)
			_, err := auth.New(t.Context(), o)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, o.PublicKeyFile)
		})
	}
}

func TestSign(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}, Issuer: "me", Audience: "you", Now: time.Now})
	since := time.Now().Add(-time.Hour).Truncate(time.Second)
	token, err := auth.Sign(secret(), auth.Claims{
		User: "ada", TTL: time.Minute, Issuer: "me", Audience: "you", Since: since,
		Scopes: []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast},
		Topics: []notify.TopicPattern{"news", "project.*"},
	})
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, notify.UserID("ada"), p.User)
	require.Equal(t, []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast}, p.Scopes)
	require.Equal(t, []notify.TopicPattern{"news", "project.*"}, p.Topics)
	require.True(t, since.Equal(p.Since))

	token, err = auth.Sign(secret(), auth.Claims{User: "ada", Expires: time.Now().Add(-time.Hour), Issuer: "me", Audience: "you"})
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, notify.ErrTokenExpired)

	for name, test := range map[string]struct {
		secret []byte
		claims auth.Claims
	}{
		"short secret": {secret()[1:], auth.Claims{User: "ada", TTL: time.Hour}},
		"no user":      {secret(), auth.Claims{TTL: time.Hour}},
		"no user's":    {secret(), auth.Claims{User: "a b", TTL: time.Hour}},
		"no time":      {secret(), auth.Claims{User: "ada"}},
		"too long":     {secret(), auth.Claims{User: "ada", TTL: auth.MaxLifetime + 1}},
		"no topic":     {secret(), auth.Claims{User: "ada", TTL: time.Hour, Topics: []notify.TopicPattern{"*.x"}}},
		"many topics":  {secret(), auth.Claims{User: "ada", TTL: time.Hour, Topics: numbered(auth.MaxTopics + 1)}},
	} {
		_, err := auth.Sign(test.secret, test.claims)
		require.Error(t, err, name)
	}
}
