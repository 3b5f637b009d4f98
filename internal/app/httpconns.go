package app

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/nowait"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// httpConns counts the connections of the public listener that are not WebSockets, and refuses
// new ones beyond a limit, so that the store always has open files and memory left. If the
// addresses of clients are known, one address has at most half of the connections.
//
// It is not a limit.Shares, since WebSockets, which the hub limits, take from the same
// amount, and since net/http reports the end of refused connections too.
type httpConns struct {
	others  func() int     // returns the number of open WebSockets
	proxies []netip.Prefix // their connections are of many clients; nil: unknown whether there are proxies
	logger  *slog.Logger

	mu        sync.Mutex
	max       int // limit on these connections and WebSockets together; 0: none
	open      int
	refused   uint64
	byAddress map[string]int // none of the values is 0
}

// state is the function http.Server.ConnState.
func (p *httpConns) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !p.enter(p.keyOf(c)) {
			p.logger.Warn("connections refused: the limit on open files or memory is reached", "limit", p.limit())
			_ = c.Close() // without an answer, which would cost as much as serving it
		}
	case http.StateHijacked, http.StateClosed:
		p.leave(p.keyOf(c))
	case http.StateActive:
		nowait.GrowStack(c)
	case http.StateIdle:
	}
}

// setMax replaces the limit.
func (p *httpConns) setMax(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.max = n
}

// count returns the number of open connections.
func (p *httpConns) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func (p *httpConns) limit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.max
}

// keyOf returns the key under which connections of a client's address are counted, or an
// empty string if the address may be that of a proxy.
func (p *httpConns) keyOf(c net.Conn) string {
	from, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || p.proxies == nil {
		return ""
	}
	address := from.AddrPort().Addr().Unmap()
	if slices.ContainsFunc(p.proxies, func(proxy netip.Prefix) bool { return proxy.Contains(address) }) {
		return ""
	}
	return limit.AddressKey(address)
}

// enter counts a connection and reports whether it is within the limits.
func (p *httpConns) enter(key string) bool {
	others := p.others()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	if key != "" {
		if p.byAddress == nil {
			p.byAddress = make(map[string]int)
		}
		p.byAddress[key]++
	}
	within := p.max <= 0 || p.open+others <= p.max && p.byAddress[key] <= max(1, (p.max-others)/2)
	if !within {
		p.refused++
	}
	return within
}

func (p *httpConns) leave(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if key == "" {
		return
	}
	if p.byAddress[key]--; p.byAddress[key] == 0 {
		delete(p.byAddress, key)
	}
}

// samples are the metrics of these connections.
func (p *httpConns) samples() []telemetry.Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	return []telemetry.Sample{
		{Name: "bellhop_network_connections", Value: float64(p.open)},
		{Name: "bellhop_network_connections_limit", Value: float64(p.max)},
		{Name: "bellhop_network_connections_refused_total", Value: float64(p.refused)},
	}
}
