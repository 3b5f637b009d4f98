package hub_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// run turns the hub's wheel until the test ends.
func run(t *testing.T, h *hub.Hub) {
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() {
		h.Drain(context.Background(), 0)
		stop()
		running.Wait()
	})
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		run(t, h)
		const many = 200
		first := map[time.Duration]int{}
		var peers []*peer
		for range many {
			c, p := connect(t, h, user("ada"+string(rune('a'+len(peers)))))
			peers = append(peers, p)
			go func() { // has activity, as a real peer's pongs would make it
				for range 6 {
					<-time.After(20 * time.Second)
					c.NoteActivity()
				}
			}()
		}
		pass(2*time.Minute + time.Second)
		for _, p := range peers {
			pings := p.pinged()
			if len(pings) < 4 {
				t.Fatalf("pinged at %v", pings)
			}
			first[pings[0]]++
			if pings[0] > 25*time.Second {
				t.Errorf("first ping after %v", pings[0])
			}
			for i := 1; i < len(pings); i++ {
				if pings[i]-pings[i-1] != 25*time.Second {
					t.Errorf("pinged at %v", pings)
				}
			}
		}
		if len(first) < 15 {
			t.Errorf("first pings were at %d moments only", len(first))
		}
	})
}

func TestSilentPeerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		run(t, h)
		_, silent := connect(t, h, user("ada"))
		c, alive := connect(t, h, user("grace"))
		<-time.After(59 * time.Second)
		c.NoteActivity()
		synctest.Wait()
		silent.wantEnd(t, notify.Close{})
		pass(2 * time.Second)
		silent.wantEnd(t, notify.CloseSilent)
		pass(57 * time.Second)
		alive.wantEnd(t, notify.Close{})
		pass(2 * time.Second)
		alive.wantEnd(t, notify.CloseSilent)
	})
}

func TestStalledPeerDoesNotStopTheWheel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		run(t, h)
		c, stalled := connect(t, h, user("ada"))
		stalled.stall()
		c.Offer(ephemeral("stuck"))
		_, grace := connect(t, h, user("grace"))
		pass(30 * time.Second)
		if len(grace.pinged()) == 0 {
			t.Error("grace was not pinged")
		}
	})
}

func TestTokenExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		run(t, h)
		p := user("ada")
		p.Expires = time.Now().Add(12*time.Second + 300*time.Millisecond)
		_, ada := connect(t, h, p)
		pass(12 * time.Second)
		ada.wantEnd(t, notify.Close{})
		pass(time.Second + 300*time.Millisecond)
		ada.wantEnd(t, notify.CloseExpired)
	})
}

func TestTokenExpiryWhenTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		h := hub.New(hub.Options{WallClock: func() time.Time {
			return time.Now().Round(0).Add(time.Duration(ahead.Load()))
		}})
		run(t, h)
		p := user("ada")
		p.Expires = time.Now().Add(time.Hour)
		_, ada := connect(t, h, p)
		_, grace := connect(t, h, user("grace"))
		<-time.After(30 * time.Second)
		ahead.Store(int64(time.Hour))
		pass(2 * time.Second)
		ada.wantEnd(t, notify.CloseExpired)
		grace.wantEnd(t, notify.Close{})
	})
}

func TestAQuietConnectionReceivesAFreshCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{
			Silence:    time.Hour * 10,
			FreshEvery: time.Minute,
			Count: func(_ notify.Reader, at notify.Sequence) (notify.Counts, bool) {
				return notify.Counts{Unread: int(at)}, true
			},
		})
		run(t, h)
		_, ada := connect(t, h, user("ada"))
		_, busy := connect(t, h, user("busy"))
		_, never := join(t, h, user("joining"))
		deliver(h, 1, "eve")
		for seq := 2; seq < 30; seq++ {
			deliver(h, seq, "busy")
			<-time.After(10 * time.Second)
		}
		synctest.Wait()
		got := ada.received()
		if len(got) < 2 || len(got) > 4 {
			t.Errorf("in 280 s the quiet one received %q", got)
		}
		if n := len(busy.received()); n != 28 {
			t.Errorf("the busy one received %d frames", n)
		}
		never.want(t)
		deliver(h, 30, "ada")
		synctest.Wait()
		if all := ada.received(); all[len(all)-1] != "30" {
			t.Errorf("after a fresh cursor it received %q", all)
		}
	})
}

// A count or a cursor that cannot be made ends its connection and nothing else.
func TestAPanicOfACallbackEndsTheConnectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := hub.New(hub.Options{
			PingEvery:  time.Second,
			FreshEvery: time.Second,
			Count:      func(notify.Reader, notify.Sequence) (notify.Counts, bool) { panic("as the test wants it") },
		})
		done := make(chan struct{})
		go func() { h.Run(ctx); close(done) }()
		_, counted := connect(t, h, user("ada"))
		h.Recount(notify.Readers{Users: []notify.UserID{"ada"}})
		pass(2 * time.Second)
		counted.wantEnd(t, notify.CloseInternal)
		_, stale := connect(t, h, user("grace"))
		h.Reached(7)
		pass(5 * time.Second)
		stale.wantEnd(t, notify.CloseInternal)
		cancel()
		<-done
	})
}
