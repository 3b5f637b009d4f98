package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// following returns events that follow a delivered one.
func following(data string) []*hub.Event { return []*hub.Event{ephemeral(data)} }

func followUser(h *hub.Hub, u notify.UserID, seq notify.Sequence, data string) {
	h.FollowUser(u, seq, func(notify.Reader) ([]*hub.Event, bool) { return following(data), true })
}

// Events that follow a notification come before the next one, although their sequence was
// delivered already.
func TestFollowingEventsComeBeforeTheNextNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, withTopics("ada", "news"))
		_, grace := connect(t, h, user("grace"))
		deliver(h, 1, "ada", "grace")
		followUser(h, "ada", 1, "behind 1")
		deliver(h, 2, "ada")
		deliver(h, 2, "ada") // seen, which following has not changed
		h.FollowShared(everyone, hub.Holding{}, 2, following("behind 2"))
		h.DeliverTopics([]notify.Topic{"news"}, nil, func(notify.Topic) *hub.Event { return frame(3) })
		h.FollowShared(notify.Readers{Topics: []notify.Topic{"news"}}, hub.Holding{}, 3, following("behind 3"))
		deliver(h, 4, "ada", "grace")
		synctest.Wait()
		ada.want(t, "1", "behind 1", "2", "behind 2", "3", "behind 3", "4")
		grace.want(t, "1", "behind 2", "4")
		h.Drain(t.Context(), 0)
	})
}

// A connection that has read its history beyond a sequence does not receive the event that
// follows the sequence: its unread count would be out of date.
func TestFollowingEventsSkipConnectionsThatAreFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		late, joining := join(t, h, user("ada"))
		at, ada := join(t, h, user("ada"))
		h.GoLive(at, 7)
		deliver(h, 7, "ada")
		followUser(h, "ada", 7, "behind 7")
		h.FollowShared(everyone, hub.Holding{}, 7, following("shared behind 7"))
		if !h.GoLive(late, 8) {
			t.Error("a connection that has read all deliveries did not go live")
		}
		followUser(h, "ada", 7, "again")
		deliver(h, 9, "ada")
		synctest.Wait()
		ada.want(t, "behind 7", "shared behind 7", "again", "9")
		joining.want(t, "9")
		h.Drain(t.Context(), 0)
	})
}

// Following events do not require a joining connection to read more of its history.
func TestFollowingEventsDoNotAffectJoiningConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := join(t, h, user("ada"))
		followUser(h, "ada", 7, "behind 7")
		h.FollowShared(everyone, hub.Holding{}, 7, following("behind 7"))
		if !h.GoLive(c, 6) {
			t.Error("it did not go live although nothing later was offered")
		}
		synctest.Wait()
		ada.want(t)
		h.Drain(t.Context(), 0)
	})
}

// Connections that receive one of the excepted topics are left out.
func TestFollowSharedSkipsReadersOfExceptedTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, one := connect(t, h, withTopics("ada", "x"))
		_, both := connect(t, h, withTopics("ada", "x", "project.*"))
		h.FollowShared(notify.Readers{Topics: []notify.Topic{"x"}}, hub.Holding{Topics: []notify.Topic{"y", "project.7"}, At: 3}, 7, following("gone"))
		synctest.Wait()
		one.want(t, "gone")
		both.want(t)
		h.Drain(t.Context(), 0)
	})
}

// Following frames are made once for connections that read the same, and leave no long
// queue, and ends those for whom it cannot be made.
func TestFollowUserMakesFramesOncePerReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{QueueLen: 8})
		_, plain := connect(t, h, user("ada"))
		_, same := connect(t, h, user("ada"))
		late := user("ada")
		late.Since = time.Now()
		_, since := connect(t, h, late)
		made := 0
		for range 100 {
			h.FollowUser("ada", 5, func(r notify.Reader) ([]*hub.Event, bool) {
				made++
				return following("behind 5"), r.Since.IsZero()
			})
		}
		synctest.Wait()
		if made != 101 { // once more for the one that ended at once
			t.Errorf("made %d times", made)
		}
		for _, p := range []*peer{plain, same} {
			if n := len(p.received()); n != 100 {
				t.Errorf("it received %d events", n)
			}
			p.wantEnd(t, notify.Close{})
		}
		since.wantEnd(t, notify.CloseInternal)
		h.Drain(t.Context(), 0)
	})
}
