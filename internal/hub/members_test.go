package hub_test

import (
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func member(u notify.UserID, t notify.Topic) notify.Membership {
	return notify.Membership{User: u, Topic: t}
}

// All connections of a member receive the topic, once each, until the member leaves. A token that
// names the topic keeps receiving it.
func TestMembersReceiveTheirTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		phone, onPhone := connect(t, h, user("ada"))
		_, onLaptop := connect(t, h, withTopics("ada", "team", "project.*"))
		_, grace := connect(t, h, user("grace"))
		deliverToTopics(h, 1, "team")
		h.ChangeMembers(member("ada", "team"), true, 2)
		h.ChangeMembers(member("ada", "project.7"), true, 2)
		deliverToTopics(h, 3, "team")
		deliverToTopics(h, 4, "project.7")
		_, onTablet := connect(t, h, user("ada"))
		p := phone.Principal()
		p.Topics = []notify.TopicPattern{"team"}
		phone.Renew(p)
		h.ChangeMembers(member("ada", "team"), false, 5)
		deliverToTopics(h, 6, "team")
		p.Topics = nil
		phone.Renew(p)
		deliverToTopics(h, 7, "team")
		h.DeliverShared(notify.Readers{Topics: []notify.Topic{"team"}}, 8, []*hub.Event{event(8, "recalled")})
		h.ChangeMembers(member("ada", "team"), true, 9)
		deliverToTopics(h, 10, "team")
		synctest.Wait()

		onPhone.want(t, "3 team", "4 project.7", "6 team", "recalled", "10 team")
		onLaptop.want(t, "1 team", "3 team", "4 project.7", "6 team", "7 team", "recalled", "10 team")
		onTablet.want(t, "recalled", "10 team")
		grace.want(t)
		h.Drain(t.Context(), 0)
	})
}

// Memberships that were read before a change was delivered are not set. A change that they contain
// already changes nothing.
func TestMembershipsAreReadAgainAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		conn, ada := connect(t, h, user("ada"))
		version := conn.MembersVersion()
		h.ChangeMembers(member("ada", "team"), true, 1)
		require.False(t, conn.SetMembers(version, nil))

		current := notify.Hearing{{From: 5, To: notify.Endless}}
		left := notify.Hearing{{From: 1, To: 2}}
		version = conn.MembersVersion()
		require.True(t, conn.SetMembers(version, map[notify.Topic]notify.Hearing{"news": current, "old": left}))
		h.ChangeMembers(member("ada", "news"), false, 4) // before it joined again at 5
		deliverToTopics(h, 6, "team")
		deliverToTopics(h, 7, "old")
		deliverToTopics(h, 8, "news")
		synctest.Wait()
		ada.want(t, "8 news")
		h.Drain(t.Context(), 0)
	})
}

// An eviction from one topic is not delivered to those who hear the notification through another: by
// their token, or as members at its sequence.
func TestHeldNotificationsAreNotRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, before := connect(t, h, withTopics("ada", "team"))
		_, after := connect(t, h, withTopics("grace", "team"))
		_, token := connect(t, h, withTopics("eve", "team", "other"))
		h.ChangeMembers(member("ada", "other"), true, 1)
		h.ChangeMembers(member("grace", "other"), true, 3)
		h.FollowShared(notify.Readers{Topics: []notify.Topic{"team"}}, hub.Holding{Topics: []notify.Topic{"other"}, At: 2}, 4,
			[]*hub.Event{event(0, "recalled")})
		synctest.Wait()
		before.want(t)
		token.want(t)
		after.want(t, "recalled")
		h.Drain(t.Context(), 0)
	})
}

// Memberships that were read from the store may be newer than the notification that is delivered: it
// reaches those who were members at its sequence, on every connection.
func TestDeliveryGoesByTheMembersAtItsSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, phone := connect(t, h, user("ada"))
		h.ChangeMembers(member("ada", "left"), true, 10)
		h.ChangeMembers(member("ada", "back"), true, 10)
		laptop, _ := connect(t, h, user("ada"))
		require.True(t, laptop.SetMembers(laptop.MembersVersion(), map[notify.Topic]notify.Hearing{
			"left": {{From: 10, To: 39}}, "back": {{From: 10, To: 19}, {From: 30, To: notify.Endless}},
		}))
		deliverToTopics(h, 25, "left")
		deliverToTopics(h, 26, "back")
		deliverToTopics(h, 0, "left")
		deliverToTopics(h, 0, "back")
		h.ChangeMembers(member("ada", "back"), false, 20)
		h.ChangeMembers(member("ada", "back"), true, 30)
		deliverToTopics(h, 31, "back")
		h.ChangeMembers(member("ada", "left"), false, 40)
		deliverToTopics(h, 41, "left")
		synctest.Wait()
		phone.want(t, "25 left", "0 back", "31 back")
		h.Drain(t.Context(), 0)
	})
}

// A connection that has ended sets nothing, whatever it has read.
func TestMembershipsOfAnEndedConnectionAreNotSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		first, _ := connect(t, h, user("ada"))
		version := first.MembersVersion()
		first.End(notify.CloseNormal)
		_, second := connect(t, h, user("ada"))
		require.True(t, first.SetMembers(version, map[notify.Topic]notify.Hearing{"team": {{From: 1, To: notify.Endless}}}))
		deliverToTopics(h, 5, "team")
		synctest.Wait()
		second.want(t)
		h.Drain(t.Context(), 0)
	})
}

// However many topics a user joins and leaves while a connection is open, the hub keeps a bounded
// number of them, the current ones among them.
func TestTopicsThatWereLeftAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, ada := connect(t, h, user("ada"))
		h.ChangeMembers(member("ada", "stays"), true, 1)
		at := notify.Sequence(1)
		for i := range 5 * notify.MaxMemberTopics {
			topic := notify.Topic("topic-" + strconv.Itoa(i))
			h.ChangeMembers(member("ada", topic), true, at+1)
			h.ChangeMembers(member("ada", topic), false, at+2)
			at += 2
		}
		require.LessOrEqual(t, h.Subscriptions(), 2*notify.MaxMemberTopics+1)
		deliverToTopics(h, int(at)+1, "stays")
		synctest.Wait()
		ada.want(t, strconv.Itoa(int(at)+1)+" stays")
		h.Drain(t.Context(), 0)
	})
}
