package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/config"
)

func TestLimitDefaults(t *testing.T) {
	c := load(t, config.Sources{})
	if c.Connections != 0 || c.ConnectionsPerAddress != 0 || c.HandshakesPerAddress != 0 ||
		c.QueuedBytes != 256<<20 || c.Broadcasts != 100 || c.Publishes != 0 || c.Requests != 100 || c.BackendRequests != 0 || c.Marks != 50_000 {
		t.Errorf("unexpected limits: %+v", c)
	}
}

func TestLimitsAreSet(t *testing.T) {
	c := load(t, config.Sources{Environ: []string{
		"BELLHOP_CONNECTIONS=1", "BELLHOP_CONNECTIONS_PER_ADDRESS=2", "BELLHOP_HANDSHAKES_PER_ADDRESS=3",
		"BELLHOP_QUEUED_BYTES=4000000", "BELLHOP_BROADCASTS_PER_SECOND=5", "BELLHOP_PUBLISHES_PER_SECOND=6",
		"BELLHOP_REQUESTS_PER_SECOND=7", "BELLHOP_BACKEND_REQUESTS_PER_SECOND=9", "BELLHOP_MARKS_PER_10S=8", "BELLHOP_TRUSTED_PROXIES=none",
	}})
	got := []int{c.Connections, c.ConnectionsPerAddress, c.HandshakesPerAddress, int(c.QueuedBytes), c.Broadcasts, c.Publishes, c.Requests, c.Marks, c.BackendRequests}
	if fmt.Sprint(got) != "[1 2 3 4000000 5 6 7 8 9]" {
		t.Errorf("limits are %v", got)
	}
}

func TestAddressLimitsNeedTrustedProxies(t *testing.T) {
	const proxies, connections, handshakes = "BELLHOP_TRUSTED_PROXIES=", "BELLHOP_CONNECTIONS_PER_ADDRESS=", "BELLHOP_HANDSHAKES_PER_ADDRESS="
	for _, c := range []struct {
		environ  []string
		limit    int
		mistakes string
	}{
		{nil, 0, ""},
		{[]string{proxies + "none"}, 5000, ""},
		{[]string{proxies + "10.0.0.0/8"}, 5000, ""},
		{[]string{proxies + "none", connections + "0"}, 0, ""},
		{[]string{proxies + "none", connections + "7", handshakes + "9"}, 7, ""},
		{[]string{proxies, connections + "0", handshakes + "0"}, 0, ""},
		{[]string{connections + "7"}, 7, "BELLHOP_CONNECTIONS_PER_ADDRESS"},
		{[]string{proxies, connections + "7", handshakes + "9"}, 7, "BELLHOP_CONNECTIONS_PER_ADDRESS BELLHOP_HANDSHAKES_PER_ADDRESS"},
		{[]string{proxies + "nonsense", connections + "7"}, 7, "BELLHOP_TRUSTED_PROXIES"},
		{[]string{proxies + "none", connections + "-1"}, 0, "BELLHOP_CONNECTIONS_PER_ADDRESS"},
	} {
		from := config.Sources{Environ: c.environ}
		if c.mistakes != "" {
			names, text := mistakes(t, from)
			if got := strings.Join(names, " "); got != c.mistakes {
				t.Errorf("%v: mistakes in %q, want %q\n%s", c.environ, got, c.mistakes, text)
			}
			continue
		}
		if got := load(t, from).ConnectionsPerAddress; got != c.limit {
			t.Errorf("%v: %d connections per address, want %d", c.environ, got, c.limit)
		}
	}
}

func TestQueuedBytesHoldOneQueue(t *testing.T) {
	names, _ := mistakes(t, config.Sources{Environ: []string{"BELLHOP_QUEUED_BYTES=65536"}})
	if fmt.Sprint(names) != "[BELLHOP_QUEUED_BYTES]" {
		t.Errorf("mistakes in %v", names)
	}
}

// API keys and webhooks are for backends: no user could connect.
func TestAKeyForTokensIsRequired(t *testing.T) {
	for _, name := range []string{"JWT_SECRET_FILE", "ISSUERS_FILE"} {
		load(t, config.Sources{NeedKey: true, Environ: []string{"BELLHOP_" + name + "=/a/file"}})
	}
	names, _ := mistakes(t, config.Sources{NeedKey: true, Environ: []string{"BELLHOP_API_KEYS_FILE=/a/file", "BELLHOP_WEBHOOKS_FILE=/a/file"}})
	if fmt.Sprint(names) != "[BELLHOP_JWT_SECRET]" {
		t.Errorf("mistakes in %v", names)
	}
}

func TestHandshakesAreLimitedOnceAddressesAreKnown(t *testing.T) {
	for environ, want := range map[string]int{
		"": 0, "BELLHOP_TRUSTED_PROXIES=none": 500, "BELLHOP_TRUSTED_PROXIES=none BELLHOP_HANDSHAKES_PER_ADDRESS=0": 0,
	} {
		if got := load(t, config.Sources{Environ: strings.Fields(environ)}).HandshakesPerAddress; got != want {
			t.Errorf("%q: %d handshakes per address, want %d", environ, got, want)
		}
	}
}
