package hub_test

import (
	"testing"
	"testing/synctest"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// New limits hold for connections that are open, and end none by themselves.
func TestLimitsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{QueuedBytes: 1 << 20})
		var peers []*peer
		for range 3 {
			_, p := connect(t, h, user("ada"))
			peers = append(peers, p)
		}
		limits := hub.Limits{PerUser: 2, QueueLen: 4, QueueBytes: 1 << 20, QueuedBytes: 1 << 20}
		h.SetLimits(limits)
		synctest.Wait()
		for _, p := range peers {
			p.wantEnd(t, notify.Close{})
		}
		connect(t, h, user("ada"))
		synctest.Wait()
		peers[0].wantEnd(t, notify.CloseReplaced)
		peers[1].wantEnd(t, notify.CloseReplaced)
		peers[2].wantEnd(t, notify.Close{})

		resume := peers[2].stall()
		deliver(h, 1, "ada")
		synctest.Wait()
		for seq := 2; seq <= 5; seq++ {
			deliver(h, seq, "ada")
		}
		resume()
		synctest.Wait()
		peers[2].wantEnd(t, notify.CloseSlow)
		h.Drain(t.Context(), 0)
	})
}

// An address keeps its connections when a limit comes, and a limit that goes leaves no trace.
func TestLimitsOfAddressesAreReplaced(t *testing.T) {
	h := hub.New(hub.Options{PerAddress: 1})
	const from, other = "192.0.2.1", "192.0.2.2"
	first := admit(t, h, from)
	h.SetLimits(hub.Limits{PerUser: 1, QueueLen: 1, QueueBytes: 1})
	second, third := admit(t, h, from), admit(t, h, from)
	for _, s := range []*hub.Slot{first, second, third} {
		s.Release()
	}
	h.SetLimits(hub.Limits{PerUser: 1, QueueLen: 1, QueueBytes: 1, PerAddress: 2, Connections: 3})
	admit(t, h, from)
	admit(t, h, from)
	wantRefused(t, h, from, notify.ErrLimit)
	admit(t, h, other)
	wantRefused(t, h, other, notify.ErrUnavailable)
	h.SetLimits(hub.Limits{PerUser: 1, QueueLen: 1, QueueBytes: 1, PerAddress: 2, Connections: 4})
	admit(t, h, other)
}
