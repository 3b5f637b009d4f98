package app

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A connection that takes the last file the store may need is closed at once.
func TestHTTPConnectionsAreLimited(t *testing.T) {
	var log strings.Builder
	sockets := 1
	p := &httpConns{max: 3, others: func() int { return sockets }, logger: slog.New(slog.NewTextHandler(&log, nil))}
	connect := func() (refused bool, c net.Conn) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		p.state(ours, http.StateNew)
		return ours.SetDeadline(time.Time{}) != nil, ours
	}
	_, first := connect()
	refused, _ := connect()
	assert.False(t, refused)
	refused, third := connect()
	assert.True(t, refused)
	p.state(third, http.StateClosed)
	assert.Equal(t, 1, strings.Count(log.String(), "connections refused"))

	p.state(first, http.StateHijacked) // it is a socket now
	sockets++
	refused, fourth := connect()
	assert.True(t, refused)
	p.state(fourth, http.StateClosed)
	sockets--
	refused, _ = connect()
	assert.False(t, refused)
	assert.Equal(t, 2, strings.Count(log.String(), "connections refused"))
	assert.Equal(t, 2., valueOf(t, p.samples(), "bellhop_network_connections_refused_total"))
}

// from is a connection from an address.
type from struct {
	net.Conn
	address string
	closed  bool
}

func (c *from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.address))
}

func (c *from) Close() error {
	c.closed = true
	return nil
}

// One address has half of the connections, where it is known whose addresses they
// are: not of a proxy, and not where nobody has said whether there are proxies.
func TestAnAddressGetsAtMostHalfOfTheHTTPConnections(t *testing.T) {
	for name, test := range map[string]struct {
		proxies []netip.Prefix
		address string
		want    int
	}{
		"no proxies":        {[]netip.Prefix{}, "192.0.2.1:1", 5},
		"the same /64":      {[]netip.Prefix{}, "[2001:db8::1]:1", 5},
		"a trusted proxy":   {[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "192.0.2.1:1", 10},
		"nobody has said":   {nil, "192.0.2.1:1", 10},
		"beside that proxy": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "192.0.2.1:1", 5},
	} {
		t.Run(name, func(t *testing.T) {
			p := &httpConns{max: 12, others: func() int { return 2 }, proxies: test.proxies, logger: slog.New(slog.DiscardHandler)}
			taken := 0
			for range 20 {
				c := &from{address: test.address}
				if p.state(c, http.StateNew); c.closed {
					p.state(c, http.StateClosed)
				} else {
					taken++
				}
			}
			assert.Equal(t, test.want, taken)
			other := &from{address: "198.51.100.1:1"}
			p.state(other, http.StateNew)
			assert.Equal(t, test.want == 10, other.closed)
		})
	}
}
