package hub_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestDeliverReachesTheRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, phone := connect(t, h, user("ada"))
		_, laptop := connect(t, h, user("ada"))
		_, grace := connect(t, h, user("grace"))
		late := user("new")
		late.Since = time.Now().Add(time.Hour)
		_, newcomer := connect(t, h, late)

		deliver(h, 1, "ada")
		deliver(h, 2, "ada", "grace", "eve")
		deliverToAll(h, 3, time.Now())
		deliverToAll(h, 4, late.Since)
		synctest.Wait()

		phone.want(t, "1", "2", "3", "4")
		laptop.want(t, "1", "2", "3", "4")
		grace.want(t, "2", "3", "4")
		newcomer.want(t, "4")
		h.Drain(t.Context(), 0)
	})
}

func TestQueuedFramesShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, user("ada"))
		resume := ada.stall()
		for seq := 1; seq <= 5; seq++ {
			deliver(h, seq, "ada")
			synctest.Wait()
		}
		resume()
		synctest.Wait()
		ada.want(t, "1", "2", "3", "4", "5")
		if ada.writes != 2 { // the first alone, then all that had come meanwhile
			t.Errorf("%d writes", ada.writes)
		}
		h.Drain(t.Context(), 0)
	})
}

func TestJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := join(t, h, user("ada"))
		deliver(h, 7, "ada")
		h.Deliver(everyone, time.Time{}, ephemeral("typing"))
		c.Offer(ephemeral("reply"))
		synctest.Wait()
		ada.want(t, "reply")

		if h.GoLive(c, 6, ephemeral("live")) {
			t.Fatal("it went live although 7 had been offered")
		}
		if err := c.Write(frame(7)); err != nil {
			t.Fatal(err)
		}
		if !h.GoLive(c, 7, ephemeral("live")) {
			t.Fatal("it did not go live although it had caught up")
		}
		deliver(h, 7, "ada")
		deliver(h, 8, "ada")
		synctest.Wait()
		ada.want(t, "reply", "7", "live", "typing", "8")
		if err := c.Write(frame(9)); !errors.Is(err, hub.ErrEnded) {
			t.Errorf("writing past the queue once live: %v", err)
		}
		h.Drain(t.Context(), 0)
	})
}

func TestGoLiveWritesItsFirstEventsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{QueueLen: 6})
		c, ada := join(t, h, user("ada"))
		h.Deliver(everyone, time.Time{}, ephemeral("typing"))
		if h.GoLive(c, 4, frame(1), frame(2), frame(3), frame(4)) {
			t.Fatal("it went live with more than half of what may be queued")
		}
		if !h.GoLive(c, 3, frame(1), frame(2), frame(3)) {
			t.Fatal("it did not go live")
		}
		ada.want(t, "1", "2", "3", "typing") // no other goroutine wrote it
		h.Drain(t.Context(), 0)
	})
}

func TestJoiningHoldsABoundedNumberOfEphemerals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{QueueLen: 4, Metrics: m})
		c, ada := join(t, h, user("ada"))
		for i := range 10 {
			h.Deliver(everyone, time.Time{}, ephemeral(strconv.Itoa(i)))
		}
		h.GoLive(c, 0, nil)
		synctest.Wait()
		ada.want(t, "0", "1")
		if m.dropped[hub.DropJoining] != 8 {
			t.Errorf("dropped %v", m.dropped)
		}
		h.Drain(t.Context(), 0)
	})
}

// A journal and its history, as far as a joiner needs them.
type history struct {
	mu  sync.Mutex
	all []int
}

func (s *history) append(seq int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, seq)
}

func (s *history) after(at int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[at:len(s.all):len(s.all)]
}

func TestJoiningDuringHeavyDelivery(t *testing.T) {
	const total, joiners = 3_000, 20
	h := hub.New(hub.Options{PerUser: joiners, QueueLen: total})
	var past history
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for seq := 1; seq <= total; seq++ {
			past.append(seq) // durable first, then delivered
			deliver(h, seq, "ada")
		}
	})
	peers := make([]*peer, joiners)
	for i := range peers {
		peers[i] = newPeer()
		tasks.Go(func() { catchUp(t, h, &past, peers[i]) })
	}
	tasks.Wait()
	h.Drain(t.Context(), 0) // which lets the writers finish
	for i, p := range peers {
		got := p.received()
		if len(got) != total {
			t.Fatalf("joiner %d received %d, want %d", i, len(got), total)
		}
		for at, seq := range got {
			if seq != strconv.Itoa(at+1) {
				t.Fatalf("joiner %d received %s in place %d", i, seq, at+1)
			}
		}
	}
}

func catchUp(t *testing.T, h *hub.Hub, past *history, p *peer) {
	c := h.NewConn(user("ada"), "c", nil, p)
	if err := h.Register(c); err != nil {
		t.Error(err)
		return
	}
	for at, live := 0, false; !live; live = h.GoLive(c, notify.Sequence(at), nil) {
		for _, seq := range past.after(at) {
			if err := c.Write(frame(seq)); err != nil {
				t.Error(err)
				return
			}
			at = seq
		}
	}
}

func TestOverflowByCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{Metrics: m})
		_, ada := connect(t, h, user("ada"))
		resume := ada.stall()
		deliver(h, 1, "ada")
		synctest.Wait() // 1 is in flight, and counts
		for seq := 2; seq <= 256; seq++ {
			deliver(h, seq, "ada")
		}
		synctest.Wait()
		ada.wantEnd(t, notify.Close{})

		deliver(h, 257, "ada")
		if h.Count() != 0 {
			t.Error("it is still known")
		}
		deliver(h, 258, "ada")
		resume()
		synctest.Wait()
		ada.wantEnd(t, notify.CloseSlow)
		if got := ada.received(); len(got) > 1 {
			t.Errorf("after it was too slow it received %q", got)
		}
		if m.closed[4408] != 1 || m.dropped["too-slow"] != 256 {
			t.Errorf("counted %v %v", m.closed, m.dropped)
		}
	})
}

func TestOverflowByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := connect(t, h, user("ada"))
		ada.stall()
		quarter := ephemeral(strings.Repeat("x", 256<<10))
		for range 4 {
			if !c.Offer(quarter) {
				t.Fatal("it was full before 1 MiB")
			}
		}
		synctest.Wait()
		if c.Offer(ephemeral("x")) {
			t.Error("it took more than 1 MiB")
		}
		synctest.Wait()
		ada.wantEnd(t, notify.CloseSlow)
	})
}

func TestFirstReasonWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{Metrics: m})
		c, ada := connect(t, h, user("ada"))
		var tasks sync.WaitGroup
		c.Offer(ephemeral("said before"))
		c.End(notify.CloseRevoked)
		for range 10 {
			tasks.Go(func() { c.End(notify.CloseNormal); c.End(notify.CloseLost) })
		}
		tasks.Wait()
		synctest.Wait()
		ada.wantEnd(t, notify.CloseRevoked)
		ada.want(t, "said before")
		if c.Offer(ephemeral("too late")) {
			t.Error("it took a frame after its end")
		}
		if m.opened != 1 || m.closed[4403] != 1 || len(m.closed) != 1 || m.delivered != 1 {
			t.Errorf("counted %+v", m)
		}
		h.Drain(t.Context(), 0)
	})
}

func TestAStalledPeerIsCutOffSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := connect(t, h, user("ada"))
		ada.stall()
		c.Offer(ephemeral("stuck"))
		synctest.Wait()
		c.End(notify.CloseRevoked)
		synctest.Wait()
		ada.wantEnd(t, notify.Close{})
		pass(time.Second)
		ada.wantEnd(t, notify.CloseRevoked)
		h.Drain(t.Context(), 0)
	})
}

func TestFailedWriteEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := connect(t, h, user("ada"))
		ada.fails = errors.New("reset by peer")
		c.Offer(ephemeral("lost"))
		synctest.Wait()
		ada.wantEnd(t, notify.CloseLost)

		c, grace := join(t, h, user("grace"))
		grace.fails = errors.New("reset by peer")
		if err := c.Write(frame(1)); !errors.Is(err, hub.ErrEnded) || !errors.Is(err, grace.fails) {
			t.Errorf("the joiner received %v", err)
		}
		if !h.GoLive(c, 0, nil) {
			t.Error("a joiner would go on and on")
		}
		synctest.Wait()
		grace.wantEnd(t, notify.CloseLost)
	})
}

func TestPanicEndsTheConnectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := connect(t, h, user("ada"))
		ada.panics = true
		c.Offer(ephemeral("bang"))
		synctest.Wait()
		ada.wantEnd(t, notify.CloseInternal)
		h.Drain(t.Context(), 0)
	})
}

func TestNewestReplacesOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		var peers []*peer
		for range 22 {
			_, p := connect(t, h, user("ada"))
			peers = append(peers, p)
		}
		synctest.Wait()
		for i, p := range peers {
			want := notify.Close{}
			if i < 2 {
				want = notify.CloseReplaced
			}
			p.wantEnd(t, want)
		}
		if h.Count() != 20 {
			t.Errorf("%d connections", h.Count())
		}
		h.Drain(t.Context(), 0)
	})
}

// There may be a million.
func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(hub.Conn{}); size > 224 {
		t.Errorf("%d bytes", size)
	}
}
