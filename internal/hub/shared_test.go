package hub_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// pair returns two frames that belong together, of which the last has a sequence.
func pair(seq int) []*hub.Event { return []*hub.Event{ephemeral("with"), frame(seq)} }

func TestDeliverSharedReachesTheRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, withTopics("ada", "project.*", "project.7"))
		_, grace := connect(t, h, user("grace"))
		h.DeliverShared(notify.Readers{Users: []notify.UserID{"ada", "eve"}}, 1, pair(1))
		h.DeliverShared(notify.Readers{Topics: []notify.Topic{"project.7"}}, 2, pair(2))
		h.DeliverShared(everyone, 3, pair(3))
		h.DeliverShared(everyone, 3, pair(3)) // seen
		deliver(h, 4, "ada")
		synctest.Wait()
		ada.want(t, "with", "1", "with", "2", "with", "3", "4")
		grace.want(t, "with", "3")
		h.Drain(t.Context(), 0)
	})
}

// No lock is held while a callback makes the events: it may call the hub, and another
// delivery may come first.
func TestDeliverUserHoldsNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		joining, late := join(t, h, user("ada"))
		other, gone := connect(t, h, withTopics("ada", "news"))
		h.DeliverUser("ada", 5, func(r notify.Reader) ([]*hub.Event, bool) {
			if len(r.Topics) == 0 {
				h.GoLive(joining, 4)
			} else {
				other.End(notify.CloseRevoked)
			}
			return pair(5), true
		})
		synctest.Wait()
		late.want(t, "with", "5") // it went live before it was offered
		gone.want(t)
		gone.wantEnd(t, notify.CloseRevoked)
		h.Drain(t.Context(), 0)
	})
}

// Frames are made once for all connections of a user that read the same. If they
// cannot be made, these connections end.
func TestDeliverUserMakesFramesOncePerReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, plain := connect(t, h, user("ada"))
		_, same := connect(t, h, user("ada"))
		_, news := connect(t, h, withTopics("ada", "news"))
		late := user("ada")
		late.Since = time.Now()
		_, since := connect(t, h, late)
		_, grace := connect(t, h, user("grace"))
		made := 0
		h.DeliverUser("ada", 5, func(r notify.Reader) ([]*hub.Event, bool) {
			made++
			return pair(5), r.Since.IsZero()
		})
		synctest.Wait()
		if made != 3 {
			t.Errorf("made %d times", made)
		}
		plain.want(t, "with", "5")
		same.want(t, "with", "5")
		news.want(t, "with", "5")
		since.want(t)
		since.wantEnd(t, notify.CloseInternal)
		grace.want(t)
		h.Drain(t.Context(), 0)
	})
}

func TestDeliverSharedRaisesTheTargetOfJoiningConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := join(t, h, user("ada"))
		h.DeliverShared(everyone, 7, pair(7))
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

func TestDeliverSharedLeavesNoLongQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{QueueLen: 8})
		_, ada := connect(t, h, user("ada"))
		for seq := 1; seq <= 100; seq++ {
			h.DeliverShared(everyone, notify.Sequence(seq), pair(seq))
		}
		synctest.Wait()
		if n := len(ada.received()); n != 200 {
			t.Errorf("it received %d events", n)
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
	h := hub.New(hub.Options{Silence: time.Hour, Count: k.unread})
	run(t, h)
	return h, k
}

// count returns how often was counted.
func (k *counter) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.asks)
}

// unread counts as many as the sequence says.
func (k *counter) unread(_ notify.Reader, upTo notify.Sequence) (notify.Counts, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asks = append(k.asks, upTo)
	return notify.Counts{Unread: int(upTo)}, true
}

func TestRecount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := counting(t)
		_, ada := connect(t, h, user("ada"))
		_, grace := connect(t, h, withTopics("grace", "news"))
		deliver(h, 1, "ada", "grace")
		h.Recount(notify.Readers{Users: []notify.UserID{"ada", "eve"}})
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
		deliver(h, 3, "ada") // a sequence that it has received already
		deliver(h, 4, "ada")
		synctest.Wait()
		ada.want(t, "1", "count at 1", "count at 3", "4")
		if n := k.count(); n != 4 {
			t.Errorf("counted %d times", n)
		}
	})
}

func TestABurstCausesOneCount(t *testing.T) {
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

// The count of a joining connection may be older; it is counted again when it is live.
func TestARecountWaitsForJoiningConnections(t *testing.T) {
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

// An event that is delivered during the count comes first, and the count is made again.
func TestARecountOvertakenByAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(counter)
		var h *hub.Hub
		h = hub.New(hub.Options{Silence: time.Hour, Count: func(r notify.Reader, at notify.Sequence) (notify.Counts, bool) {
			if k.count() == 0 {
				deliver(h, 2, "ada")
			}
			return k.unread(r, at)
		}})
		run(t, h)
		_, ada := connect(t, h, user("ada"))
		deliver(h, 1, "ada")
		h.Recount(everyone)
		pass(time.Second)
		ada.want(t, "1", "2")
		pass(time.Second)
		ada.want(t, "1", "2", "count at 2")
	})
}

// Many connections are counted over several ticks, so that the wheel does not stop.
func TestManyConnectionsAreCountedOverSeveralTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 600
		k := new(counter)
		h := hub.New(hub.Options{Silence: time.Hour, PerUser: many, Count: k.unread})
		run(t, h)
		for i := range many { // one user's are in one shard, and each reads something else
			connect(t, h, withTopics("ada", notify.TopicPattern(fmt.Sprintf("topic-%d", i))))
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

// Connections of a user that read the same are counted once.
func TestDevicesOfAUserShareACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := counting(t)
		_, phone := connect(t, h, user("ada"))
		_, laptop := connect(t, h, user("ada"))
		_, grace := connect(t, h, user("grace"))
		h.Reached(5)
		h.Recount(everyone)
		pass(time.Second)
		phone.want(t, "count at 5")
		laptop.want(t, "count at 5")
		grace.want(t, "count at 5")
		if n := k.count(); n != 2 {
			t.Errorf("counted %d times", n)
		}
	})
}

// A connection whose count fails ends.
func TestAFailedRecountEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{Silence: time.Hour, Count: func(notify.Reader, notify.Sequence) (notify.Counts, bool) {
			return notify.Counts{}, false
		}})
		run(t, h)
		_, ada := connect(t, h, user("ada"))
		h.Recount(everyone)
		pass(time.Second)
		ada.wantEnd(t, notify.CloseInternal)
	})
}

func TestARecountWithoutConnectionsCountsNothing(t *testing.T) {
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
func TestARenewedTokenIsCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := counting(t)
		c, ada := connect(t, h, withTopics("ada", "news"))
		c.Renew(withTopics("ada", "news"))
		pass(time.Second)
		ada.want(t)
		c.Renew(withTopics("ada", "news", "project.*"))
		pass(time.Second)
		ada.want(t, "count at 0")
		late := withTopics("ada", "news", "project.*")
		late.Since = time.Now()
		c.Renew(late)
		pass(2 * time.Second)
		if n := k.count(); n != 2 {
			t.Errorf("counted %d times", n)
		}
	})
}

// Events without a sequence precede the one that has it: a live connection receives both,
// and a joining connection finds both in its history.
func TestDeliverSharedBeforeMoreOfTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, user("ada"))
		late, joining := join(t, h, user("grace"))
		h.DeliverShared(everyone, 7, []*hub.Event{ephemeral("before 7")})
		if h.GoLive(late, 6) {
			t.Error("it went live although some of 7 had been offered")
		}
		deliver(h, 7, "ada")
		deliver(h, 7, "grace")
		h.DeliverShared(everyone, 7, []*hub.Event{ephemeral("seen")})
		synctest.Wait()
		ada.want(t, "before 7", "7")
		joining.want(t)
		h.Drain(t.Context(), 0)
	})
}
