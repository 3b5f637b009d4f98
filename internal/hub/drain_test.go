package hub_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func crowd(t *testing.T, h *hub.Hub, n int) []*peer {
	t.Helper()
	var peers []*peer
	for i := range n {
		_, p := connect(t, h, user(strconv.Itoa(i)))
		peers = append(peers, p)
	}
	return peers
}

func gone(t *testing.T, peers []*peer) (n int) {
	t.Helper()
	for _, p := range peers {
		if p.ended(t) != (notify.Close{}) {
			n++
		}
	}
	return n
}

func TestDrainSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		peers := crowd(t, h, 100)
		done := make(chan struct{})
		go func() { h.Drain(t.Context(), 20*time.Second); close(done) }()
		synctest.Wait()
		if err := h.Register(h.NewConn(user("late"), "late", nil, newPeer())); !errors.Is(err, notify.ErrDraining) {
			t.Errorf("registered while draining: %v", err)
		}
		if window, yes := h.Draining(); !yes || window != 20*time.Second {
			t.Errorf("draining: %v, %v", window, yes)
		}
		for quarter := 1; quarter <= 3; quarter++ {
			pass(5 * time.Second)
			if n := gone(t, peers); n < 25*quarter || n > 25*quarter+1 {
				t.Errorf("after %d s %d were gone", 5*quarter, n)
			}
		}
		<-done
		for _, p := range peers {
			p.wantEnd(t, notify.CloseRestart(20*time.Second))
		}
	})
}

func TestDrainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		peers := crowd(t, h, 100)
		began := time.Now()
		h.Drain(t.Context(), 0)
		if time.Since(began) != 0 || gone(t, peers) != 100 || h.Count() != 0 {
			t.Errorf("%d gone after %v", gone(t, peers), time.Since(began))
		}
	})
}

func TestDrainHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		peers := crowd(t, h, 100)
		peers[0].stall()
		tell(h, 1, "0")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		h.Drain(ctx, time.Hour)
		if took := time.Since(began); took > 5*time.Second || gone(t, peers) != 100 {
			t.Errorf("%d gone after %v", gone(t, peers), took)
		}
	})
}

func TestDrainEndsEarlyWhenAllHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		began := time.Now()
		a, _ := connect(t, h, user("ada"))
		b, _ := connect(t, h, user("grace"))
		go func() {
			<-time.After(time.Second)
			a.End(notify.CloseNormal)
			b.End(notify.CloseNormal)
		}()
		h.Drain(t.Context(), time.Hour)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
