package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// certificate is a key pair in files that may be replaced while the service
// runs, as certificate managers do.
type certificate struct {
	certFile, keyFile string

	logger *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // when the files were modified that were read last
	looked  time.Time
}

// lookEvery is how often a handshake looks whether the files have changed.
const lookEvery = time.Second

// listenTLS serves TLS 1.2 and later on l. If the files cannot be read later on,
// the pair that was read last stays.
func listenTLS(l net.Listener, certFile, keyFile string, logger *slog.Logger) (net.Listener, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
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
		if c.modified() != c.changed {
			if err := c.read(); err != nil { // half written perhaps: it will change again
				c.logger.Error("the changed certificate cannot be used: the last one stays", "error", err)
			}
		}
	}
	return c.pair
}

// read takes the pair from the files. The caller holds mu, if there are others.
func (c *certificate) read() error {
	c.changed = c.modified()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c.pair = &pair
	return nil
}

func (c *certificate) modified() (times [2]time.Time) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			times[i] = info.ModTime()
		}
	}
	return times
}
