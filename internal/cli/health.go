package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/config"
)

type healthCommand struct {
	URL  string        `placeholder:"URL" help:"URL of the service (default: the configured public listener, on this machine)"`
	Wait time.Duration `placeholder:"DURATION" help:"wait until the service is ready, for this time at most, such as 1m"`

	Config   string `type:"setting" placeholder:"PATH" help:"YAML file of settings"`
	Listen   string `type:"setting" placeholder:"ADDRESS" help:"address of the public listener"`
	BasePath string `type:"setting" placeholder:"/PATH" help:"prefix of all public paths"`
}

// healthTimeout is less than the usual timeout of a container's health check.
const healthTimeout = 3 * time.Second

// Run fails unless the service is ready. Apart from mistakes in the command line,
// the exit code is never 2, which Docker reserves.
func (c *healthCommand) Run(t *terminal) error {
	client := &http.Client{CheckRedirect: refuseRedirect}
	base := c.URL
	if base == "" {
		cfg, err := t.settings(forClient)
		if err != nil {
			return fmt.Errorf("settings: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		if base, err = localURL(cfg); err != nil {
			return err
		}
		client.Transport = &http.Transport{
			// The certificate is for the name that clients use, not for the
			// loopback address. Neither request nor answer has a secret.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		}
	}
	base, err := baseURL(base)
	if err != nil {
		return err
	}
	if err := t.retry(c.Wait, func(ctx context.Context) error { return ready(ctx, client, base) }); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.stdout, "ready")
	return err
}

// ready returns why the service at base is not ready.
func ready(ctx context.Context, client *http.Client, base string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %w", problemOf(resp.StatusCode, "", body))
	}
	return nil
}

// localURL returns the URL by which this machine reaches the public listener.
func localURL(cfg *config.Config) (string, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", fmt.Errorf("%s: the system chooses the port: set --url", cfg.Listen)
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "", err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	scheme := "http"
	if cfg.TLSCertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + cfg.BasePath, nil
}
