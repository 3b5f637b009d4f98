package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Key is a private key of an issuer. It signs by itself, without the library
// that the service verifies with, which might be wrong in the same way twice.
type Key struct {
	KID     string
	Alg     string
	Private crypto.Signer
}

// Ring holds private keys for a test. RSA keys take their time to make, so tests
// share them under different names.
type Ring struct {
	rsa [4]*rsa.PrivateKey
	ec  [2]*ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}

// NewRing makes the keys.
func NewRing(t testing.TB) *Ring {
	t.Helper()
	r := &Ring{}
	var err error
	for i := range r.rsa {
		r.rsa[i], err = rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
	}
	for i := range r.ec {
		r.ec[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
	}
	_, r.ed, err = ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return r
}

// RSA returns one of four keys for RS256.
func (r *Ring) RSA(n int, kid string) Key { return Key{kid, "RS256", r.rsa[n]} }

// EC returns one of two keys for ES256.
func (r *Ring) EC(n int, kid string) Key { return Key{kid, "ES256", r.ec[n]} }

// Ed returns a key for EdDSA.
func (r *Ring) Ed(kid string) Key { return Key{kid, "EdDSA", r.ed} }

// JWK returns the public half: kty and its parameters, kid, alg and use. more
// adds or replaces members; a nil value removes one.
func (k Key) JWK(more map[string]any) map[string]any {
	m := map[string]any{"kid": k.KID, "alg": k.Alg, "use": "sig"}
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // a key of this package is on its curve
		size := (len(point) - 1) / 2
		m["kty"], m["crv"] = "EC", public.Curve.Params().Name
		m["x"], m["y"] = b64(point[1:1+size]), b64(point[1+size:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

// Token signs claims. Those of iss, exp and iat are up to the caller.
func (k Key) Token(t testing.TB, claims map[string]any) string {
	t.Helper()
	return k.TokenWith(t, map[string]any{"typ": "JWT"}, claims)
}

// TokenWith signs claims under a header with further members. alg and kid are
// those of the key unless header has them; a nil value removes one.
func (k Key) TokenWith(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": k.Alg, "kid": k.KID}
	maps.Copy(h, header)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil || v == "" })
	signed := segment(t, h) + "." + segment(t, claims)
	return signed + "." + b64(k.sign(t, []byte(signed)))
}

func (k Key) sign(t testing.TB, signed []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(signed)
	var signature []byte
	var err error
	switch private := k.Private.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, private, digest[:])
		require.NoError(t, err)
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, signed)
	default:
		t.Fatalf("a key of the type %T does not sign", private)
	}
	require.NoError(t, err)
	return signature
}

// Certificate returns a certificate of the key, signed by itself, in DER.
func (k Key) Certificate(t testing.TB) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an issuer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Private.Public(), k.Private)
	require.NoError(t, err)
	return der
}

// PEM returns the public half as PEM.
func (k Key) PEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Private.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Set returns a JWK Set of entries, which may be anything.
func Set[T any](entries ...T) []byte {
	if entries == nil {
		entries = []T{}
	}
	data, err := json.Marshal(map[string]any{"keys": entries})
	if err != nil {
		panic(err) // an entry of a test that is no JSON
	}
	return data
}

// x5c returns the certificate as a JWK has it.
func x5c(der []byte) []string { return []string{base64.StdEncoding.EncodeToString(der)} }

// x5t and x5tS256 are thumbprints as RFC 7517 has them, and the others as
// several providers publish them: of the hexadecimal digits.
func x5t(der []byte) string {
	sum := sha1.Sum(der)
	return b64(sum[:])
}

func x5tS256(der []byte) string {
	sum := sha256.Sum256(der)
	return b64(sum[:])
}

func x5tOfHex(der []byte) string {
	sum := sha1.Sum(der)
	return b64([]byte(hex.EncodeToString(sum[:])))
}

func x5tS256OfHex(der []byte) string {
	sum := sha256.Sum256(der)
	return b64([]byte(hex.EncodeToString(sum[:])))
}

func segment(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return b64(data)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// certificateMap is how Google publishes certificates: PEM by kid.
func certificateMap(kid string, der []byte) []byte {
	data, err := json.Marshal(map[string]string{kid: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))})
	if err != nil {
		panic(err) // strings are JSON
	}
	return data
}
