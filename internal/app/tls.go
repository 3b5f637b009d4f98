package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

// certificate is a key pair in two files, which a certificate manager may replace while the
// service runs. If a pair cannot be used, for example because only one file was replaced so
// far, the last good pair stays in force and the files are read again.
type certificate struct {
	pair *watch.Source[*tls.Certificate]
}

// maxPairBytes limits the size of each file of a pair. A long chain has about 20 kB.
const maxPairBytes = 1 << 20

// openCertificate reads a pair, and returns an error if it cannot be used. Run follows changes.
func openCertificate(ctx context.Context, certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{watch.New(watch.Options[*tls.Certificate]{
		What:   "TLS certificate",
		Name:   certFile,
		Load:   watch.Files(maxPairBytes, parsePair, certFile, keyFile),
		Logger: logger,
	})}
	return c, c.pair.Start(ctx)
}

func parsePair(_ context.Context, files [][]byte) (*tls.Certificate, error) {
	for i := range files {
		var err error
		if files[i], err = text.Clean(files[i]); err != nil {
			return nil, err
		}
	}
	pair, err := tls.X509KeyPair(files[0], files[1])
	return &pair, err
}

// expiry returns the time at which the first certificate of the chain expires.
func (c *certificate) expiry() time.Time {
	var first time.Time
	for _, der := range c.pair.Current().Certificate {
		one, err := x509.ParseCertificate(der)
		if err == nil && (first.IsZero() || one.NotAfter.Before(first)) {
			first = one.NotAfter
		}
	}
	return first
}

// Run follows the files until ctx ends.
func (c *certificate) Run(ctx context.Context) { c.pair.Run(ctx) }

// Reload reads the files now.
func (c *certificate) Reload(ctx context.Context) error {
	if err := c.pair.Reload(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.pair.Name(), err)
	}
	return nil
}

// listen serves TLS 1.2 and later on l.
func (c *certificate) listen(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // a WebSocket's upgrade is HTTP/1.1's
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.pair.Current(), nil
		},
	})
}
