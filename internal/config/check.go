package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

// algorithms are the signature algorithms that a token may be signed with.
var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512", "EdDSA",
}

// check reports what is wrong with values that could be parsed.
func (l *loader) check(needKey bool) {
	c := l.cfg
	l.refuse("listen", addressFault(c.Listen))
	l.refuse("admin-listen", addressFault(c.AdminListen))
	if c.Listen == c.AdminListen && !strings.HasSuffix(c.Listen, ":0") {
		l.mistake(Variable("admin-listen"), "is the address of the public listener, too")
	}
	for _, host := range c.AdminHosts {
		l.refuse("admin-hosts", hostFault(host))
	}
	l.refuse("base-path", pathFault(c.BasePath))
	l.checkTLS()
	l.checkKeys(needKey)
	l.checkLimits()
}

func (l *loader) refuse(name, why string) {
	if why != "" {
		l.mistake(Variable(name), "%s", why)
	}
}

func (l *loader) checkFile(name, path string) {
	if !l.noFiles {
		l.refuse(name, fileFault(path))
	}
}

func (l *loader) checkTLS() {
	cert, key := l.cfg.TLSCertFile, l.cfg.TLSKeyFile
	switch {
	case cert != "" && key == "":
		l.mistake(Variable("tls-key-file"), "is required with %s", Variable("tls-cert-file"))
	case cert == "" && key != "":
		l.mistake(Variable("tls-cert-file"), "is required with %s", Variable("tls-key-file"))
	}
	l.checkFile("tls-cert-file", cert)
	l.checkFile("tls-key-file", key)
}

func (l *loader) checkKeys(needKey bool) {
	c := l.cfg
	l.checkFile("jwt-public-key-file", c.JWTPublicKeyFile)
	if strings.Contains(c.JWKS, "://") {
		l.refuse("jwks", urlFault(c.JWKS))
	} else {
		l.checkFile("jwks", c.JWKS)
	}
	l.checkFile("issuers-file", c.IssuersFile)
	l.checkFile("api-keys-file", c.APIKeysFile)
	l.checkFile("webhooks-file", c.WebhooksFile)
	for _, a := range c.JWTAlgorithms {
		if !slices.Contains(algorithms, a) {
			l.mistake(Variable("jwt-algorithms"), "%q is not one of %s", a, strings.Join(algorithms, ", "))
		}
	}
	if c.JWTPublicKeyFile != "" || c.JWKS != "" {
		const why = "is required with public keys, whose owner may sign for others too; * accepts any"
		if c.JWTIssuer == "" {
			l.mistake(Variable("jwt-issuer"), why)
		}
		if c.JWTAudience == "" {
			l.mistake(Variable("jwt-audience"), why)
		}
	}
	// A key that was given and is wrong has been reported.
	if needKey && !c.HasKey() && c.JWTSecretFile == "" && !l.wasGiven("jwt-secret") {
		l.mistake(Variable("jwt-secret"), "there is no key to check tokens with: set this, %s, %s, %s or %s",
			Variable("jwt-secret-file"), Variable("jwt-public-key-file"), Variable("jwks"), Variable("issuers-file"))
	}
}

// checkLimits also sets the limits that depend on another setting. Where nobody
// has said whether there are proxies, every client may have the address of one,
// and a limit on addresses would be a limit on all together.
func (l *loader) checkLimits() {
	c := l.cfg
	if c.QueuedBytes < c.QueueBytes {
		l.mistake(Variable("queued-bytes"), "is less than %s, which one connection may take", Variable("queue-bytes"))
	}
	const known, connections, handshakes = "trusted-proxies", "connections-per-address", "handshakes-per-address"
	if c.TrustedProxies != nil && !l.wasGiven(connections) { // none is known, and not nil
		c.ConnectionsPerAddress = perAddress
	}
	if c.TrustedProxies != nil && !l.wasGiven(handshakes) {
		c.HandshakesPerAddress = handshakesPerAddress
	}
	if l.wasGiven(known) { // if it is wrong, that has been reported
		return
	}
	const why = "needs %s, as networks or %s: without it every client may have the address of a proxy"
	if c.ConnectionsPerAddress > 0 {
		l.mistake(Variable(connections), why, Variable(known), noProxies)
	}
	if c.HandshakesPerAddress > 0 {
		l.mistake(Variable(handshakes), why, Variable(known), noProxies)
	}
}

func (l *loader) wasGiven(name string) bool {
	_, ok := l.given[name]
	return ok
}

func addressFault(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("%q is not an address such as :8080 or 127.0.0.1:8080", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("%q does not end in a port from 0 to 65535", address)
	}
	return ""
}

// hostFault returns what is wrong with a host as a Host header names it, with a
// port or without one.
func hostFault(host string) string {
	const form = "%q is not a host such as bellhop.internal or bellhop-0:8081"
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		name = h
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Sprintf(form, host)
		}
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/*@?#,\"", r) }) {
		return fmt.Sprintf(form, host)
	}
	return ""
}

func pathFault(path string) string {
	if path == "" {
		return ""
	}
	const form = "%q is not a path such as /bellhop: a slash first, none at the end, letters, digits and . _ ~ - between"
	if path[0] != '/' {
		return fmt.Sprintf(form, path)
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		plain := strings.IndexFunc(segment, func(r rune) bool { return !pathRune(r) }) < 0
		if segment == "" || segment == "." || segment == ".." || !plain {
			return fmt.Sprintf(form, path)
		}
	}
	return ""
}

func pathRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._~-", r)
}

func urlFault(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "is not an https or http URL"
	}
	return ""
}

// maxFileBytes bounds every file that a setting names.
const maxFileBytes = 1 << 20

// fileFault says why a file cannot be read, so that it is known before the
// service listens. An empty path is unset.
func fileFault(path string) string {
	if path == "" {
		return ""
	}
	if _, err := watch.Read(path, maxFileBytes); err != nil {
		return text.HideURL(path) + ": " + err.Error()
	}
	return ""
}
