package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// address returns the address of who asks, the zero one if it cannot be told.
func address(c echo.Context) netip.Addr {
	a, _ := hop(c.RealIP()) // the zero one if it is none
	return a
}

// clientAddress returns how to find who asks: the peer, or, if the peer is a
// trusted proxy, the right-most hop of X-Forwarded-For that is none.
//
// Echo's own way gives up at a hop with a port, as some proxies write it: all
// their clients would be one.
func clientAddress(trusted []netip.Prefix) echo.IPExtractor {
	proxies := make([]netip.Prefix, len(trusted))
	for i, p := range trusted {
		proxies[i] = unmapped(p)
	}
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) string {
		at, ok := hop(r.RemoteAddr)
		if !ok {
			return ""
		}
		for said := range hopsFromRight(r.Header.Values(echo.HeaderXForwardedFor)) {
			if !isTrusted(at) {
				break
			}
			before, ok := hop(said)
			if !ok { // the proxy at least is known
				break
			}
			at = before
		}
		return at.String()
	}
}

// unmapped returns p as addresses are that hop returns: an IPv4 one is not
// written as an IPv6 one.
func unmapped(p netip.Prefix) netip.Prefix {
	const before = 96 // bits, of an IPv6 address that is an IPv4 one
	if p.Addr().Is4In6() && p.Bits() >= before {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-before)
	}
	return p
}

// hopsFromRight returns what stands between the commas of lines, the last first.
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

// hop reads an address as proxies write it: perhaps with a port, an IPv6 one
// perhaps in brackets.
func hop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = with.Addr()
	}
	return a.Unmap().WithZone(""), true
}
