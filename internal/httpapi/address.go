package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// address returns the address of the client, or the zero address if it is unknown.
func address(c echo.Context) netip.Addr {
	a, _ := parseHop(c.RealIP())
	return a
}

// clientAddress returns a function that finds the address of a client: that of the
// peer, or, if the peer is a trusted proxy, the right-most hop of X-Forwarded-For that
// is not a trusted proxy.
//
// Echo's own function stops at a hop with a port, which some proxies write. All their
// clients would have the proxy's address.
func clientAddress(trusted []netip.Prefix) echo.IPExtractor {
	proxies := make([]netip.Prefix, len(trusted))
	for i, p := range trusted {
		proxies[i] = unmapped(p)
	}
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) string {
		client, ok := parseHop(r.RemoteAddr)
		if !ok {
			return ""
		}
		for text := range hopsFromRight(r.Header.Values(echo.HeaderXForwardedFor)) {
			if !isTrusted(client) {
				break
			}
			hop, ok := parseHop(text)
			if !ok { // the proxy's address is the last one that can be trusted
				break
			}
			client = hop
		}
		return client.String()
	}
}

// unmapped returns p in the form of the addresses that parseHop returns: an IPv4 prefix
// is not written as an IPv6 one.
func unmapped(p netip.Prefix) netip.Prefix {
	const mapped = 96 // bits before the IPv4 address in an IPv4-mapped IPv6 address
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p
}

// hopsFromRight returns the items of the comma-separated lists in lines, the last first.
func hopsFromRight(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for rest, more := line, true; more; {
				i := strings.LastIndexByte(rest, ',')
				if more = i >= 0; !yield(rest[i+1:]) {
					return
				}
				rest = rest[:max(i, 0)]
			}
		}
	}
}

// parseHop parses an address in the forms that proxies write: with or without a port,
// an IPv6 address with or without brackets.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = withPort.Addr()
	}
	return a.Unmap().WithZone(""), true
}
