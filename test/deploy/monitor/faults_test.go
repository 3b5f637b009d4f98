package monitor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keySet is a key set at a URL that can fail.
type keySet struct {
	*httptest.Server
	failing atomic.Bool
}

func newKeySet(t *testing.T) *keySet {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := key.PublicKey.Bytes() // 4, X and Y
	require.NoError(t, err)
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig",
		"x": base64.RawURLEncoding.EncodeToString(public[1:33]), "y": base64.RawURLEncoding.EncodeToString(public[33:]),
	}}})
	require.NoError(t, err)
	k := &keySet{}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if k.failing.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
	t.Cleanup(k.Close)
	return k
}

// settings returns the settings of an issuer with k, and of a file of API keys.
func (k *keySet) settings(t *testing.T) []string {
	t.Helper()
	return []string{
		"BELLHOP_JWT_USER_PREFIX=none",
		"BELLHOP_ISSUERS_FILE=" + file(t, "issuers.yaml", "- issuer: https://login.example.com\n  jwks: "+k.URL+"\n  audiences: [bellhop]\n  user_prefix: none\n"),
		"BELLHOP_API_KEYS_FILE=" + file(t, "keys.yaml", "[]"),
	}
}

// file writes a file and returns its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// certificate returns the settings of a certificate that is valid for a time.
func certificate(t *testing.T, valid time.Duration) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return []string{
		"BELLHOP_TLS_CERT_FILE=" + file(t, "cert.pem", encode("CERTIFICATE", der)),
		"BELLHOP_TLS_KEY_FILE=" + file(t, "key.pem", encode("PRIVATE KEY", private)),
	}
}

func (p *process) awaitReady() {
	p.t.Helper()
	p.await("it is ready", func() bool { return p.try(http.MethodGet, "/readyz", "", "") == http.StatusOK })
}

// run lets time pass in steps. In each there is some traffic, and the processes are scraped. It
// returns the alerts that fire in the end.
func (a *alerts) run(d, every time.Duration, processes []*process, traffic func()) (firing []string) {
	for end := a.history.now.Add(d); a.history.now.Before(end); {
		a.history.now = a.history.now.Add(every)
		traffic()
		for _, p := range processes {
			body, contentType := p.metrics()
			a.history.scrape(p.name, body, contentType)
		}
		firing = a.evaluate()
	}
	return firing
}

// fires lets time pass like run, and compares the alerts that fire in the end with those that
// are wanted. Whether the disk of this machine is low does not count, unless that is wanted.
func (a *alerts) fires(t *testing.T, d, every time.Duration, p *process, traffic func(), want ...string) {
	t.Helper()
	firing := a.run(d, every, []*process{p}, traffic)
	if !slices.Contains(want, "BellhopDiskLow") {
		firing = slices.DeleteFunc(firing, func(name string) bool { return name == "BellhopDiskLow" })
	}
	slices.Sort(want)
	require.Equal(t, want, firing)
	for _, name := range firing {
		fired.Store(name, true)
	}
}

// flipBits flips a bit in each 100 bytes of the largest file that matches a pattern, apart from its ends.
func flipBits(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	var largest string
	var content []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		if len(b) > len(content) {
			largest, content = name, b
		}
	}
	require.NotEmpty(t, largest, "no file matches %s", pattern)
	for i := len(content) / 100; i < len(content)*99/100; i += 100 {
		content[i] ^= 1
	}
	file, err := os.OpenFile(largest, os.O_WRONLY, 0) // keeps its inode
	require.NoError(t, err)
	_, err = file.Write(content)
	require.NoError(t, errors.Join(err, file.Close()))
}
