//go:build linux

package guide

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// secureMachine returns a machine whose node serves TLS with a certificate that expires within a week.
func secureMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.sh(`echo "tls_cert_file: ` + m.path("tls.pem") + `" >> "$BELLHOP_CONFIG"; echo "tls_key_file: ` + m.path("tls.key") + `" >> "$BELLHOP_CONFIG"`)
	m.set("CERTIFICATE="+m.path("tls.pem"), "CERTIFICATE_KEY="+m.path("tls.key"))
	m.writeCertificate("tls", 7*24*time.Hour)
	m.start()
	return m
}

// writeCertificate writes a certificate that is valid for a time, and its key, into the files NAME.pem
// and NAME.key. It returns the certificate.
func (m *machine) writeCertificate(name string, valid time.Duration) (der []byte) {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(m.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid)}
	der, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(m.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(m.t, err)
	m.write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	m.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return der
}

// servedCertificate returns the certificate that the node shows to a client.
func (m *machine) servedCertificate() []byte {
	m.t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // the certificate is compared
	conn, err := dialer.DialContext(m.t.Context(), "tcp", m.public)
	require.NoError(m.t, err)
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw //nolint:forcetypeassert // that of a tls.Dialer
}

// renewCertificate renews the certificate of a node that runs. Clients see the new one, without a
// restart; a pair of files that do not belong together replaces nothing.
func renewCertificate(t *testing.T, c chapter) {
	t.Helper()
	m := secureMachine(t)
	before := m.servedCertificate()
	renewal := c.next()

	m.writeCertificate("other", time.Hour)
	renewed := m.writeCertificate("renewed", 90*24*time.Hour)
	m.sh("cp -p renewed.key kept.key; cp other.key renewed.key")
	_, err := m.bash(m.home, renewal.text)
	require.Error(t, err, "the key is that of another certificate")
	m.sh("mv kept.key renewed.key; systemctl reload bellhop")
	require.Equal(t, before, m.servedCertificate())

	owner := m.sh(`stat --format="%u %g %a" "$CERTIFICATE_KEY"`)
	require.Regexp(t, `bellhop_tls_certificate_expiry_timestamp_seconds \d+`, m.run(renewal))
	require.Eventually(t, func() bool { return string(m.servedCertificate()) == string(renewed) }, timeout, 20*time.Millisecond, "the certificate is not read again")
	require.Equal(t, owner, m.sh(`stat --format="%u %g %a" "$CERTIFICATE_KEY"`))
	require.Equal(t, 1, strings.Count(m.sh("journalctl -u bellhop"), `"msg":"listening"`), "it was restarted")
	m.waitFor("bellhop metrics file_load_failing", `{file="tls_certificate"} 0`)
}
