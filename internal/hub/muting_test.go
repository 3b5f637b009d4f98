package hub_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// hiding returns what preferences with rules hide that mute types, or topics.
func hiding(rules ...notify.PreferenceRule) *notify.Muting {
	for i := range rules {
		rules[i].Level = notify.LevelOff
	}
	return (&notify.Preferences{Rules: rules}).Muting()
}

// typed returns an event for a notification with a type, which was published to topics.
func typed(seq int, name string, topics ...notify.Topic) *hub.Event {
	n := &notify.Notification{Content: []byte(`"id":"x","type":"` + name + `"`), Topics: topics}
	return &hub.Event{Sequence: notify.Sequence(seq), Content: hub.Notification{Notification: n}}
}

func typedText(name string) string { return `"id":"x","type":"` + name + `"` }

// A notification that the preferences of a user hide is delivered to no connection of the user: not by
// name, not through topics, not with everyone, and neither if it is ephemeral.
func TestHiddenNotificationsAreNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		conn, ada := connect(t, h, withTopics("ada", "team"))
		_, grace := connect(t, h, withTopics("grace", "team"))
		conn.SetMuting(hiding(notify.PreferenceRule{Type: "comment.*"}), 1, 1)
		require.True(t, h.Mutes("ada"))
		require.False(t, h.Mutes("grace"))
		both := notify.Readers{Users: []notify.UserID{"ada", "grace"}}
		h.Deliver(both, time.Time{}, typed(2, "comment.a"))
		h.Deliver(both, time.Time{}, typed(3, "comments"))
		h.Deliver(everyone, time.Time{}, typed(4, "comment.b"))
		h.Deliver(everyone, time.Time{}, typed(0, "comment.c"))
		h.DeliverTopics([]notify.Topic{"team"}, nil, func(notify.Topic) *hub.Event { return typed(5, "comment.d", "team") })
		h.DeliverShared(both, 6, []*hub.Event{event(6, "recalled")})
		synctest.Wait()
		ada.want(t, typedText("comments"), "recalled")
		grace.want(t, typedText("comment.a"), typedText("comments"), typedText("comment.b"), typedText("comment.c"), typedText("comment.d"), "recalled")
		h.Drain(t.Context(), 0)
	})
}

// A rule for a topic hides what the connection receives through it, also if it was published to
// others, where it may be delivered separately. It does not hide what the connection hears through
// other topics only.
func TestARuleForATopicNeedsThatItIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		rules := hiding(notify.PreferenceRule{Topic: "b"})
		one, first := connect(t, h, withTopics("ada", "a"))
		one.SetMuting(rules, 1, 1)
		_, second := connect(t, h, withTopics("ada", "a", "b"))
		member, third := connect(t, h, withTopics("grace", "a"))
		require.True(t, member.SetMembers(0, map[notify.Topic]notify.Hearing{"b": {{From: 3, To: 3}}}))
		member.SetMuting(rules, 1, 1)
		for seq := 2; seq <= 4; seq++ { // grace is a member of b at 3 only
			name := string('a' + rune(seq))
			h.DeliverTopics([]notify.Topic{"a"}, nil, func(notify.Topic) *hub.Event {
				e := typed(seq, name, "a")
				n, _ := e.Content.(hub.Notification)
				n.OtherTopics = []notify.Topic{"b"}
				return e
			})
		}
		synctest.Wait()
		first.want(t, typedText("c"), typedText("d"), typedText("e"))
		second.want(t)
		third.want(t, typedText("c"), typedText("e"))
		h.Drain(t.Context(), 0)
	})
}

// A change of what is hidden ends the connections that have received something else before. Those that
// have read their history with the change stay, and so do others.
func TestAChangeOfPreferencesEndsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, before := connect(t, h, user("ada"))
		reading, onReading := join(t, h, user("ada"))
		newer, onNewer := join(t, h, user("ada")) // the store had the change already
		newer.SetMuting(hiding(notify.PreferenceRule{Type: "x"}), 5, 5)
		early, onEarly := join(t, h, user("ada")) // and here, the change was not durable yet
		early.SetMuting(hiding(notify.PreferenceRule{Type: "x"}), 5, 4)
		_, other := connect(t, h, user("grace"))
		require.False(t, h.GoLive(newer, 4), "it must read up to the change")
		require.True(t, h.GoLive(newer, 5))
		h.ChangeMuting("ada", hiding(notify.PreferenceRule{Type: "x"}), 5)
		h.Deliver(everyone, time.Time{}, typed(6, "x"))
		h.Deliver(everyone, time.Time{}, typed(7, "y"))
		h.ChangeMuting("nobody", nil, 8)
		synctest.Wait()
		before.wantEnd(t, notify.ClosePreferences)
		onReading.wantEnd(t, notify.ClosePreferences)
		onEarly.wantEnd(t, notify.ClosePreferences)
		require.True(t, reading.Ended() && early.Ended())
		onNewer.want(t, typedText("y"))
		onNewer.wantEnd(t, notify.Close{})
		other.want(t, typedText("x"), typedText("y"))

		h.ChangeMuting("ada", nil, 9)
		synctest.Wait()
		onNewer.wantEnd(t, notify.ClosePreferences)
		require.False(t, h.Mutes("ada"))
		back, onBack := connect(t, h, user("ada"))
		back.SetMuting(nil, 9, 9)
		h.Deliver(everyone, time.Time{}, typed(10, "x"))
		synctest.Wait()
		onBack.want(t, typedText("x"))
		h.Drain(t.Context(), 0)
	})
}

// An older state of the preferences, which was read before a change was delivered, is not set. An
// ephemeral notification that came before the preferences were known is not shown either.
func TestOlderPreferencesAreNotSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, stays := connect(t, h, user("ada"))
		h.ChangeMuting("ada", hiding(notify.PreferenceRule{Type: "x"}), 2)
		synctest.Wait()
		stays.wantEnd(t, notify.ClosePreferences)

		c, to := join(t, h, user("ada"))
		h.Deliver(everyone, time.Time{}, typed(0, "x"))
		h.Deliver(everyone, time.Time{}, typed(0, "y"))
		c.SetMuting(hiding(notify.PreferenceRule{Type: "x"}), 4, 4)
		c.SetMuting(hiding(notify.PreferenceRule{Type: "y"}), 3, 4)
		require.True(t, h.GoLive(c, 4))
		synctest.Wait()
		to.want(t, typedText("y"))
		h.Drain(t.Context(), 0)
	})
}

// BenchmarkDeliverToRules delivers to connections of users whose hundred rules match nothing.
func BenchmarkDeliverToRules(b *testing.B) { benchmarkDeliver(b, everyone, 10_000, hundredRules()) }

func hundredRules() *notify.Muting {
	rules := make([]notify.PreferenceRule, notify.MaxPreferenceRules)
	for i := range rules {
		rules[i] = notify.PreferenceRule{Type: "build.*", Topic: "project.*"}
	}
	return hiding(rules...)
}

// Counts that take long do not hold up the wheel: it counts for a part of each tick only, all
// connections in turn, and pings are in time.
func TestSlowCountsDoNotDelayPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tickAndAHalf = 1500 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		h := hub.New(hub.Options{
			PingEvery: 2 * time.Second,
			Count: func(notify.Reader, notify.Sequence) (notify.Counts, bool) {
				time.Sleep(150 * time.Millisecond)
				return notify.Counts{Unread: 7}, true
			},
		})
		var peers []*peer
		for _, u := range []string{"ada", "grace", "eve", "joe", "kim", "bob"} {
			_, p := connect(t, h, user(u))
			peers = append(peers, p)
		}
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		h.Recount(everyone)
		pass(tickAndAHalf)
		for seconds := 1; seconds <= 3; seconds++ {
			counted := 0
			for _, p := range peers {
				counted += len(p.received())
			}
			require.Equal(t, 2*seconds, counted)
			pass(time.Second)
		}
		for _, p := range peers {
			p.want(t, "count at 7")
			require.Len(t, p.pinged(), 2)
		}
		h.Drain(t.Context(), 0)
		cancel()
		running.Wait()
	})
}
