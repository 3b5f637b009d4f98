package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/contract"
)

// pair is a self-signed certificate for 127.0.0.1 and its key.
type pair struct {
	cert, key []byte // PEM
	trust     *x509.CertPool
}

func newPair(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	p := pair{
		cert:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		trust: x509.NewCertPool(),
	}
	require.True(t, p.trust.AppendCertsFromPEM(p.cert))
	return p
}

// write writes the two files one after the other, as an operator would.
func (p pair) write(t *testing.T, cert, key string) {
	t.Helper()
	require.NoError(t, os.WriteFile(cert, p.cert, 0o600))
	require.NoError(t, os.WriteFile(key, p.key, 0o600))
}

// trusts makes new connections of the client of s trust only the certificate of p.
func (s *service) trusts(p pair) {
	s.t.Helper()
	transport, ok := s.client.Transport.(*contract.Transport)
	require.True(s.t, ok)
	next := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.trust}}
	s.t.Cleanup(next.CloseIdleConnections)
	transport.Next = next
}

// presents reports whether all nodes present the certificate of p to new connections.
func (s *service) presents(p pair) bool {
	for _, n := range s.nodes {
		conn, err := tls.Dial("tcp", n.public, &tls.Config{RootCAs: p.trust})
		if err != nil || conn.Close() != nil {
			return false
		}
	}
	return true
}

// TestTLS asserts that versions before TLS 1.2 are refused and that ALPN selects
// HTTP/1.1, because the upgrade to a WebSocket exists only there.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	p := newPair(t, "one")
	p.write(t, cert, key)
	s := start(t, func(c *config.Config) { c.TLSCertFile, c.TLSKeyFile = cert, key })
	for version, want := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		conn, err := tls.Dial("tcp", s.public, &tls.Config{
			RootCAs: p.trust, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"},
		})
		require.Equal(t, want, err == nil, "%s: %v", tls.VersionName(version), err)
		if err != nil {
			continue
		}
		assert.Equal(t, "http/1.1", conn.ConnectionState().NegotiatedProtocol)
		require.NoError(t, conn.Close())
	}
	resp, err := http.Get("http://" + s.public + "/livez")
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "plain HTTP is refused")
}

func TestCertificateFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	one, two := newPair(t, "one"), newPair(t, "two")
	one.write(t, cert, key)
	s := start(t, func(c *config.Config) { c.TLSCertFile, c.TLSKeyFile = cert, key })
	s.trusts(one)
	old := s.live("ada")
	s.publish("one", "ada")
	old.expect("one")
	require.True(t, s.presents(one))
	require.False(t, s.presents(two))

	// The new certificate is written first, without its key, and the modification
	// times stay the same.
	times, err := os.Stat(cert)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, two.cert, 0o600))
	require.True(t, s.presents(one), "a certificate without its key must not be used")
	require.NoError(t, os.WriteFile(key, two.key, 0o600))
	require.NoError(t, errors.Join(os.Chtimes(cert, times.ModTime(), times.ModTime()), os.Chtimes(key, times.ModTime(), times.ModTime())))
	require.Eventually(t, func() bool { return s.presents(two) }, timeout, 50*time.Millisecond, "the old certificate is still presented")
	assert.False(t, s.presents(one))
	s.trusts(two)
	young := s.connect("ada", "earliest")
	young.expect("one", "live")
	s.publish("two", "ada")
	for _, c := range []*connection{old, young} {
		c.expect("two")
		c.send(`{"event":"ping","ref":"7"}`)
		assert.Equal(t, "7", c.read().Ref)
	}

	// Restore the first pair, with modification times in the past.
	one.write(t, cert, key)
	before := time.Now().Add(-24 * time.Hour)
	require.NoError(t, errors.Join(os.Chtimes(cert, before, before), os.Chtimes(key, before, before)))
	require.Eventually(t, func() bool { return s.presents(one) }, timeout, 50*time.Millisecond, "files with an older modification time are not read")
	s.trusts(one)

	// A file that is no certificate does not replace the certificate in use.
	require.NoError(t, os.WriteFile(cert, []byte("half a certif"), 0o600))
	for range 20 {
		require.True(t, s.presents(one))
	}
	s.publish("three", "ada")
	old.expect("three")

	// The valid content follows without a change of the modification time.
	half, err := os.Stat(cert)
	require.NoError(t, err)
	two.write(t, cert, key)
	require.NoError(t, errors.Join(os.Chtimes(cert, half.ModTime(), half.ModTime()), os.Chtimes(key, before, before)))
	require.Eventually(t, func() bool { return s.presents(two) }, timeout, 50*time.Millisecond, "the completed certificate is not read")
}
