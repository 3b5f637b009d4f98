package config

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// check reports mistakes in values that could be parsed. The contents of files, the
// origins and the names of claims are checked by the packages that use them.
func (l *loader) check(needKey bool) {
	c := l.cfg
	l.checkAddress("listen", c.Listen)
	l.checkAddress("admin-listen", c.AdminListen)
	if c.Listen == c.AdminListen && !strings.HasSuffix(c.Listen, ":0") {
		l.mistake(Variable("admin-listen"), "must differ from %s", Variable("listen"))
	}
	for _, host := range c.AdminHosts {
		l.checkHost(host)
	}
	if c.BasePath != "" && (path.Clean(c.BasePath) != c.BasePath || !regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`).MatchString(c.BasePath)) {
		l.mistake(Variable("base-path"), "%q is not a path such as /bellhop: it must begin with a slash, not end with one, "+
			"and have only letters, digits and . _ ~ - between slashes", c.BasePath)
	}
	l.checkKeys(needKey)
	l.checkCluster()
	l.checkLimits()
	if c.TracesURL != "" {
		l.checkURLs("traces-url", []string{c.TracesURL}, "http", "https")
	}
}

// maxStreamName is the maximum length of the name of a stream, from which those of other
// streams are derived.
const maxStreamName = 100

// checkCluster checks the settings of a cluster. Most of them require nats-url.
func (l *loader) checkCluster() {
	c := l.cfg
	for _, name := range []string{"nats-credentials-file", "nats-ca-file", "nats-monitor", "nats-stream", "replicas", "unsafe-replicas"} {
		if len(c.NATSURL) == 0 && l.wasGiven(name) {
			l.mistake(Variable(name), "requires %s", Variable("nats-url"))
		}
	}
	l.checkURLs("nats-url", c.NATSURL, "nats", "tls")
	l.checkURLs("nats-monitor", c.NATSMonitor, "http", "https")
	if len(c.NATSStream) > maxStreamName || !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(c.NATSStream) {
		l.mistake(Variable("nats-stream"), "%q is not the name of a stream: it must have 1 to %d characters, each of A-Z a-z 0-9 _ -", c.NATSStream, maxStreamName)
	}
	switch {
	case c.Replicas == 1 && c.UnsafeReplicas != "true":
		l.mistake(Variable("replicas"), "1 is only allowed with %s=true: everything is lost with the only server that has the stream", Variable("unsafe-replicas"))
	case c.Replicas%2 == 0:
		l.mistake(Variable("replicas"), "%d is not 3 or 5: an even number does not survive the loss of more servers", c.Replicas)
	}
	if c.Node != "" && !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(c.Node) {
		l.mistake(Variable("node"), "%q is not the name of a node: it must have 1 to 64 characters, each of A-Z a-z 0-9 . _ -", c.Node)
	}
}

// checkURLs checks addresses that must each have one of two schemes, and a host. An address is not
// repeated, since it may have a password.
func (l *loader) checkURLs(name string, addresses []string, scheme, other string) {
	for i, address := range addresses {
		u, err := url.Parse(address)
		if err == nil && u.Hostname() != "" && (u.Scheme == scheme || u.Scheme == other) {
			continue
		}
		which := ""
		if len(addresses) > 1 {
			which = fmt.Sprintf("item %d of %d ", i+1, len(addresses))
		}
		l.mistake(Variable(name), "%sis not a URL such as %s://host:port or %s://host:port", which, scheme, other)
	}
}

func (l *loader) checkAddress(name, address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		l.mistake(Variable(name), "%q is not an address such as :8080 or 127.0.0.1:8080", address)
	} else if !isPort(port) {
		l.mistake(Variable(name), "%q does not end with a port from 0 to 65535", address)
	}
}

// checkHost checks a host as a Host header has it, with a port or without.
func (l *loader) checkHost(host string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "0"
	}
	if !isPort(port) || !regexp.MustCompile(`^[!-~]+$`).MatchString(name) || strings.ContainsAny(name, `/*@?#,"`) {
		l.mistake(Variable("admin-hosts"), "%q is not a host such as bellhop.internal or bellhop-0:8081", host)
	}
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func (l *loader) checkKeys(needKey bool) {
	c := l.cfg
	l.checkBoth("tls-cert-file", c.TLSCertFile, "tls-key-file", c.TLSKeyFile)
	l.checkBoth("tls-key-file", c.TLSKeyFile, "tls-cert-file", c.TLSCertFile)
	if u, err := url.Parse(c.JWKS); strings.Contains(c.JWKS, "://") && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		l.mistake(Variable("jwks"), "is neither a path nor an https or http URL") // it is not repeated: it may have a password
	}
	if c.JWTPublicKeyFile != "" || c.JWKS != "" {
		const why = "is required with public keys, since their owner may sign tokens for other services too; * accepts any"
		if c.JWTIssuer == "" {
			l.mistake(Variable("jwt-issuer"), why)
		}
		if c.JWTAudience == "" {
			l.mistake(Variable("jwt-audience"), why)
		}
	}
	// API keys and webhooks are not enough: no user could connect.
	hasKey := len(c.JWTSecret) > 0 || c.JWTSecretFile != "" || c.JWTPublicKeyFile != "" || c.JWKS != "" || c.IssuersFile != ""
	if needKey && !hasKey && !l.wasGiven("jwt-secret") { // a secret that could not be parsed has been reported
		l.mistake(Variable("jwt-secret"), "no key to verify tokens with: set this, %s, %s, %s or %s",
			Variable("jwt-secret-file"), Variable("jwt-public-key-file"), Variable("jwks"), Variable("issuers-file"))
	}
}

// checkBoth reports that the second setting is missing if only the first is set.
func (l *loader) checkBoth(name, value, other, its string) {
	if value != "" && its == "" {
		l.mistake(Variable(other), "is required with %s", Variable(name))
	}
}

// Limits per address that apply when trusted-proxies is set and the limit is not.
const (
	perAddress           = 5_000
	handshakesPerAddress = 500
)

// checkLimits also sets the limits that depend on another setting. Without
// trusted-proxies all clients may have the address of a proxy, and a limit per address
// would be a limit on all of them together.
func (l *loader) checkLimits() {
	c := l.cfg
	if c.QueuedBytes < c.QueueBytes {
		l.mistake(Variable("queued-bytes"), "%s is less than %s (%s), the maximum for one connection",
			showSize(c.QueuedBytes), Variable("queue-bytes"), showSize(c.QueueBytes))
	}
	l.checkPerAddress("connections-per-address", &c.ConnectionsPerAddress, perAddress)
	l.checkPerAddress("handshakes-per-address", &c.HandshakesPerAddress, handshakesPerAddress)
}

func (l *loader) checkPerAddress(name string, limit *int, otherwise int) {
	const proxies = "trusted-proxies"
	switch {
	case l.cfg.TrustedProxies != nil && !l.wasGiven(name):
		*limit = otherwise
	case *limit > 0 && !l.wasGiven(proxies):
		l.mistake(Variable(name), "requires %s, as networks or %s: without it all clients may have the address of a proxy",
			Variable(proxies), noProxies)
	}
}
