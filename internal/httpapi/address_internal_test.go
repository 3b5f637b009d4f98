package httpapi

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzForwarded checks that a client has a valid address, that only trusted proxies are
// believed, and that the part of X-Forwarded-For that a client writes itself, before
// the part that proxies add, does not change its address.
func FuzzForwarded(f *testing.F) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	of := clientAddress(proxies)
	for _, seed := range [][3]string{
		{"10.0.0.1:1", "1.1.1.1", "198.51.100.7, 10.1.1.1"},
		{"10.0.0.1:1", "<script>", "198.51.100.7:99"},
		{"[fd00::1]:1", ",,", "[2001:db8::7]:99"},
		{"[::ffff:10.0.0.1]:1", "", "fe80::7%eth0"},
		{"192.0.2.1:1", "1.1.1.1", "10.0.0.1"},
		{"10.0.0.1:1", "198.51.100.7", ""},
		{"10.0.0.1:1", "10.0.0.9", "unknown"},
		{"", "1.1.1.1", "[]"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, peer, written, added string) {
		ask := func(lines ...string) string {
			return of(&http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": lines}})
		}
		isProxy := func(a netip.Addr) bool { return proxies[0].Contains(a) || proxies[1].Contains(a) }
		at, ok := parseHop(peer)
		if !ok {
			require.Empty(t, ask(written, added))
			return
		}
		client := ask(added)
		a, err := netip.ParseAddr(client)
		require.NoError(t, err)
		if !isProxy(at) {
			require.Equal(t, at, a)
		}
		require.Equal(t, ask(written, added), ask(written+","+added))
		if !isProxy(a) {
			require.Equal(t, client, ask(written, added))
		}
	})
}
