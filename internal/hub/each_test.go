package hub_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// own returns frames for a connection, of which the last has a sequence.
func own(seq int) func(*hub.Conn) []*hub.Frame {
	return func(c *hub.Conn) []*hub.Frame {
		return []*hub.Frame{ephemeral("for " + c.ID()), frame(seq)}
	}
}

func TestDeliverEachReachesWhomItIsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, hearing("ada", "project.*", "project.7"))
		_, grace := connect(t, h, user("grace"))
		h.DeliverEach(notify.Readers{Users: []notify.UserID{"ada", "nobody"}}, 1, own(1))
		h.DeliverEach(notify.Readers{Topics: []notify.Topic{"project.7"}}, 2, own(2))
		h.DeliverEach(everyone, 3, own(3))
		h.DeliverEach(everyone, 3, func(*hub.Conn) []*hub.Frame { return nil })
		h.DeliverEach(everyone, 3, own(3)) // seen
		tell(h, 4, "ada")
		synctest.Wait()
		ada.want(t, "for c-ada", "1", "for c-ada", "2", "for c-ada", "3", "4")
		grace.want(t, "for c-grace", "3")
		h.Drain(t.Context(), 0)
	})
}

// No lock is held while the frames are made: what makes them may ask the hub,
// and be overtaken.
func TestDeliverEachHoldsNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		joining, late := join(t, h, user("ada"))
		_, gone := connect(t, h, user("ada"))
		h.DeliverEach(notify.Readers{Users: []notify.UserID{"ada"}}, 5, func(c *hub.Conn) []*hub.Frame {
			c.Principal()
			if c == joining {
				h.GoLive(c, 4)
			} else {
				c.End(notify.CloseRevoked)
			}
			return own(5)(c)
		})
		synctest.Wait()
		late.want(t, "for c-ada", "5") // it went live before it was offered
		gone.want(t)
		gone.wantEnd(t, notify.CloseRevoked)
		h.Drain(t.Context(), 0)
	})
}

func TestDeliverEachRaisesTheMarkOfWhoIsJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := join(t, h, user("ada"))
		h.DeliverEach(everyone, 7, own(7))
		if h.GoLive(c, 6) {
			t.Error("it went live although 7 had been offered")
		}
		if !h.GoLive(c, 7) {
			t.Error("it did not go live although it had caught up")
		}
		synctest.Wait()
		ada.want(t) // it has read them in its past
		h.Drain(t.Context(), 0)
	})
}

func TestDeliverEachLeavesNoLongQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{QueueLen: 8})
		_, ada := connect(t, h, user("ada"))
		for seq := 1; seq <= 100; seq++ {
			h.DeliverEach(everyone, notify.Sequence(seq), own(seq))
		}
		synctest.Wait()
		if n := len(ada.heard()); n != 200 {
			t.Errorf("it heard %d frames", n)
		}
		ada.wantEnd(t, notify.Close{})
		h.Drain(t.Context(), 0)
	})
}

// counter makes the frames of recounts, and notes when.
type counter struct {
	mu   sync.Mutex
	asks []notify.Sequence
}

func counting(t *testing.T) (*hub.Hub, *counter) {
	t.Helper()
	k := new(counter)
	h := hub.New(hub.Options{Silence: time.Hour, Recounted: k.frame})
	run(t, h)
	return h, k
}

// count returns how often was counted.
func (k *counter) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.asks)
}

func (k *counter) frame(_ *hub.Conn, at notify.Sequence) *hub.Frame {
	k.mu.Lock()
	k.asks = append(k.asks, at)
	k.mu.Unlock()
	f := frame(int(at))
	f.Data = append([]byte("count at "), f.Data...)
	return f
}

func TestRecount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := counting(t)
		_, ada := connect(t, h, user("ada"))
		_, grace := connect(t, h, hearing("grace", "news"))
		tell(h, 1, "ada", "grace")
		h.Recount(notify.Readers{Users: []notify.UserID{"ada", "nobody"}})
		synctest.Wait()
		ada.want(t, "1") // not at once
		pass(time.Second)
		ada.want(t, "1", "count at 1")
		grace.want(t, "1")
		pass(10 * time.Second)
		ada.want(t, "1", "count at 1")

		h.Recount(notify.Readers{Topics: []notify.Topic{"news"}})
		pass(time.Second)
		grace.want(t, "1", "count at 1")
		h.Reached(3)
		h.Recount(everyone)
		pass(time.Second)
		ada.want(t, "1", "count at 1", "count at 3")
		grace.want(t, "1", "count at 1", "count at 3")
		tell(h, 3, "ada") // what it was told of already
		tell(h, 4, "ada")
		synctest.Wait()
		ada.want(t, "1", "count at 1", "count at 3", "4")
		if n := k.count(); n != 4 {
			t.Errorf("counted %d times", n)
		}
	})
}

func TestABurstIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := counting(t)
		_, ada := connect(t, h, user("ada"))
		for range 10 {
			for range 100 {
				h.Recount(everyone)
				h.Recount(notify.Readers{Users: []notify.UserID{"ada"}})
			}
			pass(time.Second)
		}
		ada.want(t, "count at 0", "count at 0", "count at 0", "count at 0", "count at 0",
			"count at 0", "count at 0", "count at 0", "count at 0", "count at 0")
		if n := k.count(); n != 10 {
			t.Errorf("counted %d times", n)
		}
	})
}

// Who is joining may have counted before; it is counted again when it is live.
func TestRecountWaitsForWhoIsJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := counting(t)
		c, ada := join(t, h, user("ada"))
		gone, _ := join(t, h, user("gone"))
		h.Recount(everyone)
		pass(3 * time.Second)
		ada.want(t)
		h.GoLive(c, 7)
		gone.End(notify.CloseLost)
		pass(time.Second)
		ada.want(t, "count at 7")
	})
}

// What is told while the count is made comes first, and the count once more.
func TestRecountThatIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(counter)
		var h *hub.Hub
		h = hub.New(hub.Options{Silence: time.Hour, Recounted: func(c *hub.Conn, at notify.Sequence) *hub.Frame {
			if k.count() == 0 {
				tell(h, 2, "ada")
			}
			return k.frame(c, at)
		}})
		run(t, h)
		_, ada := connect(t, h, user("ada"))
		tell(h, 1, "ada")
		h.Recount(everyone)
		pass(time.Second)
		ada.want(t, "1", "2")
		pass(time.Second)
		ada.want(t, "1", "2", "count at 2")
	})
}

// A crowd is counted over several ticks, lest the wheel stand still.
func TestACrowdIsCountedOverSeveralTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 600
		k := new(counter)
		h := hub.New(hub.Options{Silence: time.Hour, PerUser: many, Recounted: k.frame})
		run(t, h)
		for range many { // one user's are in one shard
			connect(t, h, user("ada"))
		}
		h.Recount(everyone)
		var counts []int
		for range 4 {
			pass(time.Second)
			counts = append(counts, k.count())
		}
		if counts[0] >= many || counts[3] != many {
			t.Errorf("counted %v of %d", counts, many)
		}
	})
}

func TestNobodyCountsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		run(t, h)
		_, ada := connect(t, h, user("ada"))
		h.Recount(everyone)
		pass(2 * time.Second)
		ada.want(t)
	})
}

// Another token of the user may say that there is more in the inbox, or less.
func TestAnotherTokenIsCountedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := counting(t)
		c, ada := connect(t, h, hearing("ada", "news"))
		c.Renew(hearing("ada", "news"))
		pass(time.Second)
		ada.want(t)
		c.Renew(hearing("ada", "news", "project.*"))
		pass(time.Second)
		ada.want(t, "count at 0")
		late := hearing("ada", "news", "project.*")
		late.Since = time.Now()
		c.Renew(late)
		pass(2 * time.Second)
		if n := k.count(); n != 2 {
			t.Errorf("counted %d times", n)
		}
	})
}

// Frames without a sequence precede what bears it: who is told them now is told
// that, too, and who is joining finds both in its past.
func TestDeliverEachBeforeMoreOfTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, user("ada"))
		late, joining := join(t, h, user("grace"))
		h.DeliverEach(everyone, 7, func(*hub.Conn) []*hub.Frame { return []*hub.Frame{ephemeral("before 7")} })
		if h.GoLive(late, 6) {
			t.Error("it went live although some of 7 had been offered")
		}
		tell(h, 7, "ada")
		tell(h, 7, "grace")
		h.DeliverEach(everyone, 7, func(*hub.Conn) []*hub.Frame { return []*hub.Frame{ephemeral("seen")} })
		synctest.Wait()
		ada.want(t, "before 7", "7")
		joining.want(t)
		h.Drain(t.Context(), 0)
	})
}
