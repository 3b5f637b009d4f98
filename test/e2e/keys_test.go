package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

const (
	issuer   = "https://login.example.com"
	audience = "bellhop"
)

// signer is an identity provider's key. It signs with the standard library, because
// signing with the service's own JWT library could hide a mistake of that library.
type signer struct {
	alg, kid string
	key      crypto.Signer
}

func newSigner(t *testing.T, alg, kid string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	return signer{alg, kid, key}
}

// token signs a token for ada with the scope to publish. Each change may modify the
// claims.
func (k signer) token(t *testing.T, change ...func(claims map[string]any)) string {
	t.Helper()
	signed := signedPart(t, k.alg, k.kid, change...)
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, key, digest[:])
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(signed))
	}
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// signedPart returns the encoded header and claims of a token.
func signedPart(t *testing.T, alg, kid string, change ...func(claims map[string]any)) string {
	t.Helper()
	header := map[string]any{"alg": alg, "typ": "JWT"}
	if kid != "" {
		header["kid"] = kid
	}
	claims := map[string]any{
		"sub": "ada", "iss": issuer, "aud": []string{audience, "others"},
		"exp": time.Now().Add(time.Hour).Unix(), "scope": "notify:publish",
	}
	for _, f := range change {
		f(claims)
	}
	return encode(t, header) + "." + encode(t, claims)
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (k signer) pem(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.key.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func (k signer) jwk() map[string]any {
	public, _ := k.key.Public().(*rsa.PublicKey)
	return map[string]any{
		"kty": "RSA", "kid": k.kid, "alg": k.alg, "use": "sig",
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
}

// postAs publishes to ada with a token.
func (s *service) postAs(token, title string) response {
	s.t.Helper()
	return s.do(http.MethodPost, "/notify", draft(s.t, title, "ada"), "Authorization", "Bearer "+token)
}

// refuses asserts that a token can neither publish nor connect.
func (s *service) refuses(token, why string) {
	s.t.Helper()
	a := s.postAs(token, "refused")
	assert.Equal(s.t, http.StatusUnauthorized, a.StatusCode, "%s: %s", why, a.body)
	assert.Equal(s.t, "token-invalid", a.problem(s.t), why)
	_, resp, err := s.dial(token, "")
	refused(s.t, resp, err, http.StatusUnauthorized)
}

// accepts asserts that a token can publish and connect.
func (s *service) accepts(token, title string) {
	s.t.Helper()
	a := s.postAs(token, title)
	assert.Equal(s.t, http.StatusAccepted, a.StatusCode, "%s: %s", title, a.body)
	c := s.connectWith(token, "earliest")
	defer c.drop()
	titles := c.history().titles
	require.NotEmpty(s.t, titles)
	assert.Equal(s.t, title, titles[len(titles)-1])
}

func TestPublicKeyFile(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			key := newSigner(t, alg, "")
			file := filepath.Join(t.TempDir(), "key.pem")
			require.NoError(t, os.WriteFile(file, key.pem(t), 0o600))
			s := start(t, func(c *config.Config) {
				c.JWTSecret = nil
				c.JWTPublicKeyFile, c.JWTIssuer, c.JWTAudience = file, issuer, audience
			})
			s.accepts(key.token(t), "good")
			s.accepts(key.token(t, func(c map[string]any) { c["aud"] = audience }), "one audience")

			s.refuses(newSigner(t, alg, "").token(t), "another key")
			s.refuses(key.token(t, func(c map[string]any) { c["iss"] = issuer + "/" }), "another issuer")
			s.refuses(key.token(t, func(c map[string]any) { delete(c, "iss") }), "no issuer")
			s.refuses(key.token(t, func(c map[string]any) { c["aud"] = "others" }), "audience of others")
			s.refuses(key.token(t, func(c map[string]any) { delete(c, "aud") }), "no audience")
			s.refuses(key.token(t, func(c map[string]any) { delete(c, "exp") }), "no expiry")

			// Algorithm confusion: HS256 with the public key as the shared secret.
			signed := signedPart(t, "HS256", "")
			mac := hmac.New(sha256.New, key.pem(t))
			mac.Write([]byte(signed))
			s.refuses(signed+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), "HS256 with the public key")
			s.refuses(signedPart(t, "none", "")+".", "unsigned")
		})
	}
}

// keySet serves an issuer's JWKS, which tests replace.
type keySet struct {
	url string

	mu      sync.Mutex
	keys    []signer
	fetches int
}

func serveKeys(t *testing.T, keys ...signer) *keySet {
	t.Helper()
	set := &keySet{keys: keys}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		set.mu.Lock()
		defer set.mu.Unlock()
		set.fetches++
		list := make([]map[string]any, len(set.keys))
		for i, k := range set.keys {
			list[i] = k.jwk()
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{"keys": list}))
	}))
	t.Cleanup(server.Close)
	set.url = server.URL + "/.well-known/jwks.json"
	return set
}

func (k *keySet) set(keys ...signer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = keys
}

func (k *keySet) fetched() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fetches
}

// The first token with an unknown kid makes the service fetch the key set, so a new
// key is accepted immediately. A key that is no longer published is refused. Fetches
// caused by unknown keys are limited: the tokens after the rotation cause none.
func TestKeySetRotation(t *testing.T) {
	one, two, three := newSigner(t, "RS256", "one"), newSigner(t, "RS256", "two"), newSigner(t, "RS256", "three")
	for name, c := range map[string]struct {
		after    []signer
		keepsOne bool
	}{
		"overlapping": {[]signer{one, two}, true},
		"immediate":   {[]signer{two}, false},
	} {
		t.Run(name, func(t *testing.T) {
			set := serveKeys(t, one)
			s := start(t, func(cfg *config.Config) {
				cfg.JWTSecret = nil
				cfg.JWKS, cfg.JWTIssuer, cfg.JWTAudience = set.url, issuer, audience
			})
			s.accepts(one.token(t), "before")
			set.set(c.after...)
			s.onEachNode(func() { // it has its own copy of the keys
				s.accepts(one.token(t), "still")
				s.accepts(two.token(t), "new")
				if c.keepsOne {
					s.accepts(one.token(t), "both")
				} else {
					s.refuses(one.token(t), "its key is no longer published")
				}
				for i := range 3 {
					s.refuses(three.token(t), fmt.Sprint("unknown, attempt ", i))
				}
				s.refuses(signer{"RS256", "two", three.key}.token(t), "another key with a known kid")
			})
			assert.Equal(t, 2*len(s.nodes), set.fetched(), "each node fetches them at its start, and for the new key")
		})
	}
}

func TestKeyThatIsNotInTheSet(t *testing.T) {
	one, two := newSigner(t, "RS256", "one"), newSigner(t, "RS256", "two")
	set := serveKeys(t, one)
	s := start(t, func(cfg *config.Config) {
		cfg.JWTSecret = nil
		cfg.JWKS, cfg.JWTIssuer, cfg.JWTAudience = set.url, issuer, audience
	})
	s.refuses(two.token(t), "unknown")
	s.accepts(one.token(t), "known")
	s.refuses(one.token(t, func(c map[string]any) { c["iss"] = "https://evil.example" }), "another issuer")
}
