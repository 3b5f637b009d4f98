package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// BenchmarkVerifyByAlgorithm measures the check of a token that the cache holds, and the
// full verification, for each algorithm.
func BenchmarkVerifyByAlgorithm(b *testing.B) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	private, err := rsa.GenerateKey(rand.Reader, MinRSABits)
	require.NoError(b, err)
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	require.NoError(b, err)
	file := filepath.Join(b.TempDir(), "key.pem")
	require.NoError(b, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	v, err := New(b.Context(), Options{Secrets: [][]byte{secret}, PublicKeyFile: file, Issuer: Any, Audience: Any})
	require.NoError(b, err)
	defer v.Close()
	claims := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()}
	hs256, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	require.NoError(b, err)
	rs256, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(private)
	require.NoError(b, err)

	for name, token := range map[string]string{"HS256": hs256, "RS256": rs256} {
		for _, how := range []string{"cached", "uncached"} {
			check := v.Verify
			if how == "uncached" {
				check = v.verify
			}
			b.Run(how+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := check(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
