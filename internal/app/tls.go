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
	changed [2]time.Time // when the files were modified that were read last; zero: read them again
	looked  time.Time
	wrong   string // with what was read last; it is told once
}

// lookEvery is how often a handshake looks whether the files have changed.
const lookEvery = time.Second

// openCertificate reads a pair, which must be good. If the files cannot be read
// later on, the pair that was read last stays.
func openCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// listen serves TLS 1.2 and later on l.
func (c *certificate) listen(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // a WebSocket's upgrade is HTTP/1.1's
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current(), nil
		},
	})
}

func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookEvery {
		return c.pair
	}
	c.looked = time.Now()
	if c.modified() == c.changed {
		return c.pair
	}
	err := c.read()
	if err == nil {
		c.wrong = ""
	} else if c.wrong != err.Error() {
		c.wrong = err.Error()
		c.logger.Error("the changed certificate cannot be used: the last one stays", "error", err)
	}
	return c.pair
}

// read takes the pair from the files. The caller holds mu, if there are others.
func (c *certificate) read() error {
	// What cannot be used may be half written, and the rest come so soon that
	// its time is the same.
	modified := c.modified()
	c.changed = [2]time.Time{}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c.pair, c.changed = &pair, modified
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
