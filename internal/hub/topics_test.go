package hub_test

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func withTopics(u string, topics ...notify.TopicPattern) notify.Principal {
	p := user(u)
	p.Topics = topics
	return p
}

// deliverToTopics delivers a frame with its sequence and the topic by which it is
// received.
func deliverToTopics(h *hub.Hub, seq int, topics ...notify.Topic) {
	h.DeliverTopics(topics, nil, func(t notify.Topic) *hub.Event {
		return event(seq, strconv.Itoa(seq)+" "+string(t))
	})
}

func TestTopicsReachTheirReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, withTopics("ada", "news"))
		_, laptop := connect(t, h, withTopics("ada"))
		_, grace := connect(t, h, withTopics("grace", "project.*"))
		_, edsger := connect(t, h, withTopics("edsger", "project.7.*", "news"))

		deliverToTopics(h, 1, "news")
		deliverToTopics(h, 2, "project.7")
		deliverToTopics(h, 3, "project.7.builds")
		deliverToTopics(h, 4, "project")
		deliverToTopics(h, 5, "new")
		h.Deliver(notify.Readers{Topics: []notify.Topic{"news"}}, time.Time{}, frame(6))
		synctest.Wait()

		ada.want(t, "1 news", "6")
		laptop.want(t) // a topic is received by a token, not by its user
		grace.want(t, "2 project.7", "3 project.7.builds")
		edsger.want(t, "1 news", "3 project.7.builds", "6")
		h.Drain(t.Context(), 0)
	})
}

// A connection that receives several of the topics gets one event, that of the first
// topic, even without a sequence by which a repeat would be noticed.
func TestSeveralMatchingTopicsDeliverOnce(t *testing.T) {
	for _, seq := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			h := hub.New(hub.Options{})
			_, ada := connect(t, h, withTopics("ada", "project.*", "project.7", "project.7.*", "news"))
			_, grace := connect(t, h, withTopics("grace", "news", "project.*"))
			joining, edsger := join(t, h, withTopics("edsger", "project.7.*", "project.*"))

			deliverToTopics(h, seq, "project.7.builds", "news", "project.7")
			if seq == 0 && !h.GoLive(joining, 0) {
				t.Error("it did not go live")
			}
			synctest.Wait()
			want := strconv.Itoa(seq) + " project.7.builds"
			ada.want(t, want)
			grace.want(t, want)
			if seq == 0 {
				edsger.want(t, want)
			}

			deliverToTopics(h, 2*seq, "other", "news", "project.7.builds")
			synctest.Wait()
			grace.want(t, want, strconv.Itoa(2*seq)+" news")
			h.Drain(t.Context(), 0)
		})
	}
}

// One entry may come to several changes for different topics.
func TestASequenceIsDeliveredOnceOverSeveralCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, withTopics("ada", "a", "b"))
		_, grace := connect(t, h, withTopics("grace", "b"))
		deliverToTopics(h, 1, "a")
		deliverToTopics(h, 1, "b")
		synctest.Wait()
		ada.want(t, "1 a")
		grace.want(t, "1 b")
		h.Drain(t.Context(), 0)
	})
}

func TestATopicRaisesTheTargetOfJoiningConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := join(t, h, withTopics("ada", "project.*"))
		deliverToTopics(h, 7, "project.7")
		deliverToTopics(h, 8, "news")
		if h.GoLive(c, 6) {
			t.Error("it went live although 7 had been offered")
		}
		if !h.GoLive(c, 7) {
			t.Error("it did not go live although 8 is not for it")
		}
		synctest.Wait()
		ada.want(t)
		h.Drain(t.Context(), 0)
	})
}

func TestRenewChangesTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		c, ada := connect(t, h, withTopics("ada", "news", "project.*"))
		_, laptop := connect(t, h, withTopics("ada", "news"))
		if !c.Renew(withTopics("ada", "project.*", "weather")) {
			t.Fatal("it was not renewed")
		}
		deliverToTopics(h, 1, "news")
		deliverToTopics(h, 2, "weather")
		deliverToTopics(h, 3, "project.7")
		synctest.Wait()
		ada.want(t, "2 weather", "3 project.7")
		laptop.want(t, "1 news")

		if !c.Renew(user("ada")) {
			t.Fatal("it was not renewed")
		}
		deliverToTopics(h, 4, "weather")
		synctest.Wait()
		ada.want(t, "2 weather", "3 project.7")
		h.Drain(t.Context(), 0)
	})
}

// A connection that is too slow ends, and the others receive the topic.
func TestSlowReadersDoNotAffectOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{QueueLen: 2, PerUser: 100})
		var stalled, others []*peer
		for i := range 20 {
			_, p := connect(t, h, withTopics("ada", "news", "other"))
			if i%3 == 0 {
				p.stall()
				stalled = append(stalled, p)
			} else {
				others = append(others, p)
			}
		}
		var want []string
		for seq := 1; seq <= 4; seq++ {
			deliverToTopics(h, seq, "news")
			synctest.Wait()
			want = append(want, strconv.Itoa(seq)+" news")
		}
		for _, p := range stalled {
			p.wantEnd(t, notify.CloseSlow)
		}
		for _, p := range others {
			p.want(t, want...)
		}
		h.Drain(t.Context(), 0)
	})
}

// Topics of tokens are renewed while events are delivered to them.
func TestConcurrentTopicDeliveries(t *testing.T) {
	h := hub.New(hub.Options{QueueLen: 10_000, PerUser: 10_000})
	var tasks sync.WaitGroup
	for range 2 {
		tasks.Go(func() {
			for i := range 200 {
				c, _ := connect(t, h, withTopics("ada", "news", "project.*"))
				c.Renew(withTopics("ada", "project.7"))
				if i%2 == 0 {
					c.End(notify.CloseNormal)
				}
			}
		})
	}
	tasks.Go(func() {
		for range 500 {
			deliverToTopics(h, 0, "news", "project.7")
			h.DeliverShared(notify.Readers{Topics: []notify.Topic{"news"}}, 0, pair(0)) // seen by all
			h.Recount(notify.Readers{Topics: []notify.Topic{"news"}})
		}
	})
	tasks.Wait()
	h.Drain(t.Context(), 0)
}
