package auth_test

import (
	"context"
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
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

const header = `{"alg":"HS256","typ":"JWT"}`

func secret() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// noon is the time in the tests of claims.
func noon() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) }

func at(d time.Duration) int64 { return noon().Add(d).Unix() }

// start returns a Verifier that is closed when the test ends.
func start(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	if o.Now == nil {
		o.Now = noon
	}
	v, err := auth.New(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// seal signs any header and claims with secret and HS256, JSON or not.
func seal(header, claims string) string {
	signed := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, secret())
	mac.Write([]byte(signed))
	return signed + "." + encode(string(mac.Sum(nil)))
}

// claimsWith returns valid claims with these members in addition.
func claimsWith(members string) string {
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"sub":"ada","exp":%d%s}`, at(time.Hour), members)
}

// sign returns a token of ada for an hour, signed as golang-jwt does.
func sign(t testing.TB, alg, kid string, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{"sub": "ada", "exp": at(time.Hour)})
	if kid != "" {
		token.Header["kid"] = kid
	}
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return s
}

func public(t testing.TB, private any) crypto.PublicKey {
	t.Helper()
	signer, ok := private.(crypto.Signer)
	require.True(t, ok)
	return signer.Public()
}

// requireKind requires an error of this kind whose text contains no part of the token.
func requireKind(t testing.TB, kind, err error, token string) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	var failure *notify.Error
	require.True(t, errors.As(err, &failure), "%v is not a *notify.Error, so no caller may see it", err)
	assert.NotEmpty(t, failure.Detail)
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 3 {
			assert.NotContains(t, err.Error(), part)
		}
	}
}

// ring holds one private key of each kind.
type ring struct {
	rsa                 *rsa.PrivateKey
	ec256, ec384, ec521 *ecdsa.PrivateKey
	ed                  ed25519.PrivateKey
}

// keys makes the ring once, because generating RSA keys is slow.
func keys(t testing.TB) *ring {
	t.Helper()
	r, err := makeRing()
	require.NoError(t, err)
	return r
}

var makeRing = sync.OnceValues(func() (r *ring, err error) {
	r = &ring{}
	if r.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	for curve, to := range map[elliptic.Curve]**ecdsa.PrivateKey{
		elliptic.P256(): &r.ec256, elliptic.P384(): &r.ec384, elliptic.P521(): &r.ec521,
	} {
		if *to, err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			return nil, err
		}
	}
	_, r.ed, err = ed25519.GenerateKey(rand.Reader)
	return r, err
})

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// pemOf returns the public half of a private key as PEM.
func pemOf(t testing.TB, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public(t, private))
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func certificateOf(t testing.TB, private crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon()}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// anyone returns options with which only the signature and the times of a token are checked.
func anyone() auth.Options { return auth.Options{Issuer: auth.Any, Audience: auth.Any} }

// jwk returns the public half of a private key as a JWK with other members set
// or, if empty, taken away.
func jwk(t testing.TB, private any, members ...string) map[string]any {
	t.Helper()
	k, err := jwkset.NewJWKFromKey(public(t, private), jwkset.JWKOptions{})
	require.NoError(t, err)
	raw, err := json.Marshal(k.Marshal())
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(raw, &m))
	for i := 0; i < len(members); i += 2 {
		if m[members[i]] = members[i+1]; members[i+1] == "" {
			delete(m, members[i])
		}
	}
	return m
}

func set(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	return data
}

// issuer is a server of a JWK Set that can be changed while it runs.
type issuer struct {
	*httptest.Server
	fetches atomic.Int32

	mu      sync.Mutex
	handler http.HandlerFunc
}

func newIssuer(t *testing.T, body []byte) *issuer {
	i := &issuer{}
	i.serve(body)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		h := i.handler
		i.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) handle(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handler = h
}

func (i *issuer) serve(body []byte) {
	i.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

func (i *issuer) fail(status int) {
	i.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// clock is a clock that the test moves.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(noon().UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.ns.Load()) }
func (c *clock) pass(d time.Duration) { c.ns.Add(int64(d)) }

// numbered returns n topics, and topicsClaim the claim that names them.
func numbered(n int) []notify.TopicPattern {
	topics := make([]notify.TopicPattern, n)
	for i := range topics {
		topics[i] = notify.TopicPattern(fmt.Sprintf("project.%d", i))
	}
	return topics
}

func topicsClaim(n int) string {
	names := make([]string, n)
	for i, topic := range numbered(n) {
		names[i] = string(topic)
	}
	return `"topics":["` + strings.Join(names, `","`) + `"]`
}
