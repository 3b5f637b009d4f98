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
)

// plain counts the connections of the public listener that are not WebSockets,
// and refuses those for which there is no open file or memory to spare: the store
// must always find some. Where the addresses of clients are known, one address has at
// most half of the connections.
type plain struct {
	most    int            // with others; 0: any number
	others  func() int     // the WebSockets that are open
	proxies []netip.Prefix // whose connections are of many clients; nil: nobody knows
	logger  *slog.Logger

	mu        sync.Mutex
	open      int
	byAddress map[string]int // none of the values is 0
}

// state is of http.Server.ConnState.
func (p *plain) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !p.enter(p.keyOf(c)) {
			p.logger.Warn("connections are refused: no file or memory is left for them", "most", p.most)
			_ = c.Close() // it is told nothing: an answer would take as long as serving it
		}
	case http.StateHijacked, http.StateClosed:
		p.leave(p.keyOf(c))
	case http.StateActive:
		nowait.GrowStack(c)
	case http.StateIdle:
	}
}

// keyOf returns the key under which the connections of a client's address are
// counted; empty if it is not known that the address is a client's.
func (p *plain) keyOf(c net.Conn) string {
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

// enter counts a connection and reports whether there is one left for it.
func (p *plain) enter(key string) bool {
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
	return p.most <= 0 || p.open+others <= p.most && p.byAddress[key] <= max(1, (p.most-others)/2)
}

func (p *plain) leave(key string) {
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
