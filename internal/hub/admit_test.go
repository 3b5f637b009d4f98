package hub_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func address(s string) netip.Addr { return netip.MustParseAddr(s) }

func admit(t *testing.T, h *hub.Hub, from string) *hub.Slot {
	t.Helper()
	s, err := h.Admit(address(from))
	if err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	return s
}

// wantRefused wants Admit to return an error of a kind.
func wantRefused(t *testing.T, h *hub.Hub, from string, kind error) {
	t.Helper()
	s, err := h.Admit(address(from))
	if s != nil || !errors.Is(err, kind) {
		t.Fatalf("%s: got %v, %v, want %v", from, s, err, kind)
	}
}

func TestAdmitPerAddress(t *testing.T) {
	for name, c := range map[string]struct {
		first, same, other string
	}{
		"IPv4":        {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
		"mapped":      {"192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"},
		"IPv6 /64":    {"2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"},
		"with a zone": {"fe80::1%eth0", "fe80::2%eth1", "fe80:0:0:1::1%eth0"},
		"the lowest":  {"::1", "::2", "0.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := hub.New(hub.Options{PerAddress: 2})
			first := admit(t, h, c.first)
			admit(t, h, c.same)
			wantRefused(t, h, c.first, notify.ErrLimit)
			wantRefused(t, h, c.same, notify.ErrLimit)
			admit(t, h, c.other)
			first.Release()
			first.Release() // which is once too often
			admit(t, h, c.same)
			wantRefused(t, h, c.first, notify.ErrLimit)
		})
	}
}

func TestARefusedAddressGetsRetryAfter(t *testing.T) {
	h := hub.New(hub.Options{PerAddress: 1})
	admit(t, h, "192.0.2.1")
	_, err := h.Admit(address("192.0.2.1"))
	if e, ok := errors.AsType[*notify.Error](err); !ok || e.RetryAfter <= 0 {
		t.Errorf("refused with %v", err)
	}
}

func TestAdmitInAll(t *testing.T) {
	h := hub.New(hub.Options{Connections: 2})
	first := admit(t, h, "192.0.2.1")
	admit(t, h, "192.0.2.1")
	wantRefused(t, h, "192.0.2.2", notify.ErrUnavailable)
	first.Release()
	admit(t, h, "192.0.2.2")
	wantRefused(t, h, "192.0.2.3", notify.ErrUnavailable)
}

func TestAdmitWithoutLimits(t *testing.T) {
	h := hub.New(hub.Options{})
	for range 100 {
		admit(t, h, "192.0.2.1").Release()
		admit(t, h, "192.0.2.1")
	}
}

// A connection has its slot until it ends, for whatever reason.
func TestASlotIsReleasedWhenItsConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{Connections: 1, PerAddress: 1})
		for _, end := range []func(*hub.Conn){
			func(c *hub.Conn) { c.End(notify.CloseNormal) },
			func(c *hub.Conn) { c.End(notify.CloseLost); c.End(notify.CloseLost) },
			func(*hub.Conn) { h.Disconnect("ada", "c", notify.CloseDisconnected) },
		} {
			slot := admit(t, h, "192.0.2.1")
			c := h.NewConn(user("ada"), "c", slot, newPeer())
			slot.Release() // not any more
			if err := h.Register(c); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, h, "192.0.2.1", notify.ErrLimit)
			end(c)
			admit(t, h, "192.0.2.1").Release()
		}
		h.Drain(context.Background(), 0)
	})
}

func TestTheSlotOfARefusedConnectionIsReleased(t *testing.T) {
	h := hub.New(hub.Options{Connections: 1})
	slot := admit(t, h, "192.0.2.1")
	h.Drain(context.Background(), 0)
	if err := h.Register(h.NewConn(user("late"), "c", slot, newPeer())); !errors.Is(err, notify.ErrDraining) {
		t.Fatal(err)
	}
	wantRefused(t, h, "192.0.2.1", notify.ErrDraining)
	wantRefused(t, h, "192.0.2.1", notify.ErrDraining) // and neither keeps the only slot
}

// Of any number of concurrent attempts, as many as the limit are admitted, and all slots are
// given back.
func TestAdmitIsExact(t *testing.T) {
	const all, perAddress, knocking = 50, 20, 200
	h := hub.New(hub.Options{Connections: all, PerAddress: perAddress, PerUser: all})
	for range 20 {
		var in atomic.Int32
		var wg sync.WaitGroup
		slots := make(chan *hub.Slot, knocking)
		for i := range knocking {
			wg.Go(func() {
				if s, err := h.Admit(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 3)})); err == nil {
					in.Add(1)
					slots <- s
				}
			})
		}
		wg.Wait()
		if n := in.Load(); n != all {
			t.Fatalf("%d came in", n)
		}
		close(slots)
		for s := range slots {
			c := h.NewConn(user("ada"), "c", s, newPeer())
			if err := h.Register(c); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { c.End(notify.CloseLost) })
			wg.Go(func() { c.End(notify.CloseNormal) })
			wg.Go(s.Release)
		}
		wg.Wait()
	}
	h.Drain(context.Background(), 0)
}

func TestSlotInAContext(t *testing.T) {
	h := hub.New(hub.Options{})
	s := admit(t, h, "192.0.2.1")
	if hub.SlotOf(hub.WithSlot(t.Context(), s)) != s || hub.SlotOf(t.Context()) != nil {
		t.Error("the context has another slot")
	}
	hub.SlotOf(t.Context()).Release() // of none
}
