package hub

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// fullFor is when an address that has all the connections it may is to ask
// again: nobody knows when one of them ends.
const fullFor = 5 * time.Second

// Seat is a place among the connections that this process may have, and among
// those of an address. It is given back once: when the connection ends that
// took it, or by Release if none did. Keep it small: there are a million.
type Seat struct {
	hub     *Hub
	address [16]byte // as netip.Addr has it, without a zone
	state   atomic.Uint32
}

// The states of a seat.
const (
	seatFree  uint32 = iota // admitted, and no connection has taken it
	seatTaken               // by a connection
	seatBack                // given back
)

// Admit returns a seat for a connection from an address. The error is of kind
// ErrLimit if the address has all its connections, of kind ErrUnavailable if this
// process has, and of kind ErrDraining once Drain was called. Register refuses a
// connection that was admitted before Drain and comes after it.
func (h *Hub) Admit(address netip.Addr) (*Seat, error) {
	address = address.Unmap().WithZone("")
	if err := h.seats.take(shareOf(address), &h.opts); err != nil {
		return nil, err
	}
	if h.draining.Load() != nil {
		h.seats.giveBack(shareOf(address), &h.opts)
		return nil, notify.Errorf(notify.ErrDraining, "this node is stopping; connect again to reach another one")
	}
	return &Seat{hub: h, address: address.As16()}, nil
}

// Release gives the seat back, unless a connection has taken it. s may be nil.
func (s *Seat) Release() {
	if s != nil && s.state.CompareAndSwap(seatFree, seatBack) {
		s.giveBack()
	}
}

// take is NewConn's. It returns nil if there is no seat to take.
func (s *Seat) take() *Seat {
	if s == nil || !s.state.CompareAndSwap(seatFree, seatTaken) {
		return nil
	}
	return s
}

// leave gives the seat back that a connection had taken.
func (s *Seat) leave() {
	if s != nil && s.state.CompareAndSwap(seatTaken, seatBack) {
		s.giveBack()
	}
}

func (s *Seat) giveBack() { s.hub.seats.giveBack(shareOf(s.from()), &s.hub.opts) }

// from returns the address that was admitted, the zero one if s is nil.
func (s *Seat) from() netip.Addr {
	if s == nil {
		return netip.Addr{}
	}
	return netip.AddrFrom16(s.address).Unmap()
}

// share is what counts as one address: an IPv4 address, or the IPv6 /64 that
// one subscriber has.
type share [16]byte

func shareOf(address netip.Addr) share {
	s := share(address.As16())
	if address.Is6() {
		clear(s[8:])
	}
	return s
}

// seats counts those who were admitted.
type seats struct {
	mu        sync.Mutex
	all       int
	byAddress map[share]int32 // only while there is a limit; none is 0
}

func (c *seats) take(from share, opts *Options) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if opts.PerAddress > 0 && int(c.byAddress[from]) >= opts.PerAddress {
		return &notify.Error{
			Kind: notify.ErrLimit, Detail: "this address has as many connections as it may", RetryAfter: fullFor,
			Rate: notify.Rate{Name: "connections", Quota: opts.PerAddress},
		}
	}
	if opts.Connections > 0 && c.all >= opts.Connections {
		return notify.Errorf(notify.ErrUnavailable, "this node has as many connections as it may")
	}
	c.all++
	if opts.PerAddress > 0 {
		if c.byAddress == nil {
			c.byAddress = make(map[share]int32)
		}
		c.byAddress[from]++
	}
	return nil
}

func (c *seats) giveBack(from share, opts *Options) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if opts.PerAddress == 0 {
		return
	}
	if c.byAddress[from]--; c.byAddress[from] == 0 {
		delete(c.byAddress, from)
	}
}

type seatKey struct{}

// WithSeat returns a context that hands s to whoever opens the connection.
func WithSeat(ctx context.Context, s *Seat) context.Context {
	return context.WithValue(ctx, seatKey{}, s)
}

// SeatOf returns the seat that WithSeat handed over, or nil.
func SeatOf(ctx context.Context) *Seat {
	s, _ := ctx.Value(seatKey{}).(*Seat)
	return s
}
