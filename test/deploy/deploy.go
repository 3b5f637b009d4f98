// Package deploy has example deployments of bellhop: Compose files, Kubernetes manifests and
// configuration of NATS and of a proxy. Its tests start NATS servers from the same files.
package deploy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/nats-io/nkeys"
)

// Secrets writes new keys and certificates into dir, which must not exist:
//
//	ca.pem                   the CA that clients and servers of NATS trust
//	nats.pem, nats.key       certificate of the NATS servers, for hosts
//	nkeys.env                public keys of the users, for the environment of the NATS servers
//	node.nk, operator.nk     their private keys: BELLHOP_NATS_CREDENTIALS_FILE
//	jwt.secret               BELLHOP_JWT_SECRET_FILE
//
// Only the owner can enter dir. The files in it can be read by everyone, because containers
// have other users. The key of the CA is not kept: to add a server, make all of them again.
func Secrets(dir string, hosts ...string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	files := map[string][]byte{"jwt.secret": []byte(rand.Text() + rand.Text() + "\n")}
	if err := addCertificates(files, hosts); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := addUsers(files); err != nil {
		return fmt.Errorf("make the keys of users: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func addUsers(files map[string][]byte) error {
	var public bytes.Buffer
	for _, user := range []struct{ file, name string }{{"node.nk", "NATS_NODE_KEY"}, {"operator.nk", "NATS_OPERATOR_KEY"}} {
		seed, key, err := NewUser()
		if err != nil {
			return err
		}
		files[user.file] = seed
		fmt.Fprintf(&public, "%s=%s\n", user.name, key)
	}
	files["nkeys.env"] = public.Bytes()
	return nil
}

// NewUser returns a new key of a user of NATS: the content of a file with the private key, and the
// public key.
func NewUser() (seed []byte, public string, err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, "", err
	}
	if seed, err = pair.Seed(); err != nil {
		return nil, "", err
	}
	public, err = pair.PublicKey()
	return append(seed, '\n'), public, err
}

// validFor is the lifetime of the certificates.
const validFor = 365 * 24 * time.Hour

func addCertificates(files map[string][]byte, hosts []string) error {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bellhop example CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validFor),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "nats"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, ca, serverKey.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return err
	}
	files["ca.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	files["nats.pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serverDER})
	files["nats.key"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return nil
}

// Dir returns the path of this directory.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
