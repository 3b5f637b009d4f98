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

// The window is for clients to spread their return over. Even very many connections
// are closed within a second, however long it is.
func TestDrainTakesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 12_000
		h := hub.New(hub.Options{})
		peers := crowd(t, h, most)
		done := make(chan struct{})
		go func() { h.Drain(t.Context(), 20*time.Second); close(done) }()
		synctest.Wait()
		if err := h.Register(h.NewConn(user("late"), "late", nil, newPeer())); !errors.Is(err, notify.ErrDraining) {
			t.Errorf("registered while draining: %v", err)
		}
		if window, yes := h.Draining(); !yes || window != 20*time.Second {
			t.Errorf("draining: %v, %v", window, yes)
		}
		pass(500 * time.Millisecond)
		if n := gone(t, peers); n < most*4/10 || n > most*6/10 {
			t.Errorf("%d of %d were gone after half a second", n, most)
		}
		pass(500 * time.Millisecond)
		select {
		case <-done:
		default:
			t.Errorf("only %d of %d were gone after a second", gone(t, peers), most)
		}
		<-done
		for _, p := range peers {
			p.wantEnd(t, notify.CloseRestart(20*time.Second))
		}
	})
}

// Peers that do not read hold up neither the others nor, for long, the drain.
func TestDrainDoesNotWaitForStalledPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		peers := crowd(t, h, 1000)
		for i, p := range peers {
			if i%2 == 0 {
				p.stall()
				deliver(h, i+1, notify.UserID(strconv.Itoa(i)))
			}
		}
		synctest.Wait()
		done := make(chan struct{})
		go func() { h.Drain(t.Context(), 20*time.Second); close(done) }()
		pass(time.Second)
		if n := h.Count(); n != 0 {
			t.Errorf("%d connections are open after a second", n)
		}
		pass(3 * time.Second)
		select {
		case <-done:
		default:
			t.Error("it waits for peers that do not read")
		}
		<-done
	})
}

// A few connections are closed immediately, so that a restart is short.
func TestDrainingFewConnectionsIsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		peers := crowd(t, h, 40)
		done := make(chan struct{})
		go func() { h.Drain(t.Context(), time.Hour); close(done) }()
		pass(50 * time.Millisecond)
		if n := gone(t, peers); n != 40 {
			t.Errorf("%d of 40 were gone after 50 ms", n)
		}
		<-done
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
		deliver(h, 1, "0")
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
		crowd(t, h, 12_000)
		done := make(chan struct{})
		go func() { h.Drain(t.Context(), time.Hour); close(done) }()
		pass(100 * time.Millisecond)
		h.EndAll(notify.CloseNormal)
		pass(100 * time.Millisecond)
		select {
		case <-done:
		default:
			t.Error("Drain waits although no connection is left")
		}
		<-done
	})
}
