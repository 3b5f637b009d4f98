package app

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// certificate is a key pair in files that may be replaced while the service
// runs, as certificate managers do.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	pair    *tls.Certificate
	changed time.Time // the files' latest modification when pair was read
	looked  time.Time
}

// lookEvery is how often a handshake looks whether the files have changed.
const lookEvery = time.Second

// listenTLS serves TLS 1.2 and later on l. If the files cannot be read later on,
// the pair that was read last stays.
func listenTLS(l net.Listener, certFile, keyFile string) (net.Listener, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if err := c.read(); err != nil {
		return l, err
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // a WebSocket's upgrade is HTTP/1.1's
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current(), nil
		},
	}), nil
}

func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookEvery {
		c.looked = time.Now()
		if !c.modified().Equal(c.changed) {
			_ = c.read() // half written perhaps: the last good pair stays, and the next look tries again
		}
	}
	return c.pair
}

// read takes the pair from the files. The caller holds mu, if there are others.
func (c *certificate) read() error {
	modified := c.modified()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c.pair, c.changed = &pair, modified
	return nil
}

func (c *certificate) modified() time.Time {
	var latest time.Time
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest
}
