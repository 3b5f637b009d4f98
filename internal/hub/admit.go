package hub

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// retryAddress is the Retry-After for an address that has all its connections: when one
// of them will end is not known.
const retryAddress = 5 * time.Second

// Admission limits how many connections there are, in all and from one address.
type Admission struct {
	mu                sync.Mutex
	total, perAddress int // 0: no limit
	taken             int
	byAddress         map[[16]byte]int32 // by keyOf; of slots that were taken while there was a limit; no value is 0
}

// NewAdmission returns an admission with total slots, and perAddress for an IPv4
// address or an IPv6 /64; 0: no limit.
func NewAdmission(total, perAddress int) *Admission {
	return &Admission{total: total, perAddress: perAddress, byAddress: make(map[[16]byte]int32)}
}

// Set replaces the limits. Connections that are open stay open. Those that were opened while
// there was no limit for an address do not count for it.
func (a *Admission) Set(total, perAddress int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total, a.perAddress = total, perAddress
}

// Admit returns a slot for a connection from an address. The error is of kind
// ErrLimit if the address has all its slots, and of kind ErrUnavailable if all are
// taken.
func (a *Admission) Admit(address netip.Addr) (*Slot, error) {
	key := keyOf(address)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.perAddress > 0 && int(a.byAddress[key]) >= a.perAddress {
		return nil, &notify.Error{
			Kind: notify.ErrLimit, Detail: "this address has reached its limit of connections", RetryAfter: retryAddress,
			Rate: notify.Rate{Name: "connections", Quota: a.perAddress},
		}
	}
	if a.total > 0 && a.taken >= a.total {
		return nil, notify.Unavailable(notify.CauseConnections, "this node has reached its limit of connections")
	}
	a.taken++
	if a.perAddress > 0 {
		a.byAddress[key]++
	}
	return &Slot{admission: a, address: address.As16()}, nil
}

func (a *Admission) release(key [16]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken--
	switch n := a.byAddress[key]; {
	case n > 1:
		a.byAddress[key] = n - 1
	case n == 1:
		delete(a.byAddress, key)
	}
}

// Admit returns a slot for a connection from an address. The error is that of an
// Admission, or of kind ErrDraining once Drain was called. Register refuses a
// connection that was admitted before Drain and comes after it.
func (h *Hub) Admit(address netip.Addr) (*Slot, error) {
	slot, err := h.admission.Admit(address)
	if err == nil && h.draining.Load() != nil {
		slot.Release()
		return nil, notify.Errorf(notify.ErrDraining, "this node is stopping; connect again to reach another one")
	}
	return slot, err
}

// Slot is one of the connections that an Admission allows. It is released once: when
// the connection ends that took it, or by Release if none did. Keep it small: a million
// may exist. A nil Slot is none.
type Slot struct {
	admission *Admission
	address   [16]byte // as in netip.Addr, without a zone
	state     atomic.Uint32
}

// The states of a slot.
const (
	slotFree     uint32 = iota // admitted; no connection has taken it
	slotKept                   // Keep was called; no connection has taken it
	slotTaken                  // by a connection
	slotReleased               // given back
)

// Release gives the slot back, unless a connection has taken it or it was kept.
func (s *Slot) Release() { s.releaseFrom(slotFree) }

// Keep makes Release do nothing, for a connection that takes the slot only after its
// request was answered. The returned function gives the slot back, unless a connection
// has taken it.
func (s *Slot) Keep() (release func()) {
	if s == nil || !s.state.CompareAndSwap(slotFree, slotKept) {
		return func() {}
	}
	return func() { s.releaseFrom(slotKept) }
}

// take returns s for a connection that takes it, or nil if there is no slot to take.
func (s *Slot) take() *Slot {
	if s == nil || !s.state.CompareAndSwap(slotFree, slotTaken) && !s.state.CompareAndSwap(slotKept, slotTaken) {
		return nil
	}
	return s
}

// leave gives the slot back that a connection had taken.
func (s *Slot) leave() { s.releaseFrom(slotTaken) }

func (s *Slot) releaseFrom(state uint32) {
	if s != nil && s.state.CompareAndSwap(state, slotReleased) {
		s.admission.release(keyOf(s.Address()))
	}
}

// Address returns the address that was admitted, the zero one if s is nil.
func (s *Slot) Address() netip.Addr {
	if s == nil {
		return netip.Addr{}
	}
	return netip.AddrFrom16(s.address).Unmap()
}

// keyOf stands for the addresses that count as one.
func keyOf(address netip.Addr) [16]byte { return limit.Subscriber(address).As16() }

type slotKey struct{}

// WithSlot returns a context that passes s to the handler that opens the connection.
func WithSlot(ctx context.Context, s *Slot) context.Context {
	return context.WithValue(ctx, slotKey{}, s)
}

// SlotOf returns the slot that WithSlot passed, or nil.
func SlotOf(ctx context.Context) *Slot {
	s, _ := ctx.Value(slotKey{}).(*Slot)
	return s
}
