package store_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/test/model"
)

// membership draws a change of members.
func (m *inboxMachine) membership(t *rapid.T) notify.Entry {
	users := []notify.UserID{"ada", "grace", "eve"}
	if rapid.Bool().Draw(t, "of one user") {
		return notify.UserTopics{
			User:   rapid.SampledFrom(users).Draw(t, "member"),
			Topics: rapid.SliceOfNDistinct(rapid.SampledFrom(topics), 0, 3, rapid.ID).Draw(t, "topics"),
		}
	}
	all := rapid.SliceOfNDistinct(rapid.SampledFrom(users), 1, 3, rapid.ID).Draw(t, "users")
	n := rapid.IntRange(0, len(all)).Draw(t, "added")
	return notify.Members{Topic: rapid.SampledFrom(topics).Draw(t, "topic"), Add: all[:n], Remove: all[n:]}
}

// byPresence returns the topics of which the user is a member, and those which it has left, each
// in ascending order.
func byPresence(all map[notify.Topic]notify.Hearing) (current, past []notify.Topic) {
	for t, hearing := range all {
		if hearing.Current() {
			current = append(current, t)
		} else {
			past = append(past, t)
		}
	}
	slices.Sort(current)
	slices.Sort(past)
	return current, past
}

// checkMembers compares the lists of members and topics with the model.
func (m *inboxMachine) checkMembers(t *rapid.T) {
	for _, u := range []notify.UserID{"ada", "grace", "eve"} {
		is, err := m.store.Subscriber(u)
		current, _ := byPresence(is.Topics)
		if want := m.model.TopicsOf(u); err != nil || !slices.Equal(current, want) {
			t.Fatalf("%s is a member of %q, want %q (%v)", u, current, want, err)
		}
	}
	topic := rapid.SampledFrom(topics).Draw(t, "topic of members")
	var got []notify.UserID
	for after, more := notify.UserID(""), true; more; after = got[len(got)-1] {
		page, rest, err := m.store.Members(topic, "", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got, more = append(got, page...), rest; len(got) == 0 {
			break
		}
	}
	if want := m.model.MembersOf(topic); !slices.Equal(got, want) {
		t.Fatalf("members of %s are %q, want %q", topic, got, want)
	}
}

// members is a store for tests of membership, with the sequence of the last entry.
type members struct {
	*store.Store
	t    *testing.T
	last notify.Sequence
}

func newMembers(t *testing.T) *members {
	t.Helper()
	s, err := store.Open("data", store.Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &members{Store: s, t: t}
}

func (m *members) apply(e notify.Entry) notify.Verdict {
	m.t.Helper()
	m.last++
	verdicts, _, err := m.Apply(m.last, notify.Stamp(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), e))
	require.NoError(m.t, err)
	return verdicts[0]
}

func (m *members) publish(title string, keep int, topics ...notify.Topic) {
	m.t.Helper()
	id := fmt.Sprintf("00000000-0000-7000-8000-%012d", m.last+1)
	m.apply(notify.Publish{ID: id, Content: []byte(`"id":"` + id + `","title":"` + title + `"`), Audience: notify.AudienceTopic, Topics: topics, Keep: keep})
}

// A user is a member of at most 1,000 topics. A change that would exceed that changes nothing.
func TestMembershipsOfAUserAreLimited(t *testing.T) {
	m := newMembers(t)
	var most []notify.Topic
	for i := range notify.MaxMemberTopics {
		most = append(most, notify.Topic(fmt.Sprint("topic-", i)))
	}
	require.Equal(t, notify.MaxMemberTopics, m.apply(notify.UserTopics{User: "ada", Topics: most}).Added)

	v := m.apply(notify.Members{Topic: "one-more", Add: []notify.UserID{"grace", "ada"}})
	require.ErrorIs(t, v.Err, notify.ErrInvalid)
	require.ErrorContains(t, v.Err, "/add/1")
	users, _, err := m.Members("one-more", "", "", 10)
	require.NoError(t, err)
	require.Empty(t, users)

	v = m.apply(notify.Members{Topic: "topic-7", Add: []notify.UserID{"ada"}})
	require.NoError(t, v.Err, "a member already")
	require.Zero(t, v.Added)
	require.Equal(t, 1, m.apply(notify.Members{Topic: "topic-7", Remove: []notify.UserID{"ada"}}).Removed)
	require.Equal(t, 1, m.apply(notify.Members{Topic: "one-more", Add: []notify.UserID{"ada"}}).Added)
}

// Former memberships do not grow without bound, and a forced end of one is a gap for readers.
func TestFormerMembershipsAreBounded(t *testing.T) {
	m := newMembers(t)
	const many = notify.MaxMemberTopics + 50
	for i := range many {
		topic := notify.Topic(fmt.Sprint("topic-", i))
		m.apply(notify.Members{Topic: topic, Add: []notify.UserID{"ada"}})
		m.publish("n", 10, topic)
		m.apply(notify.Members{Topic: topic, Remove: []notify.UserID{"ada"}})
	}
	is, err := m.Subscriber("ada")
	require.NoError(t, err)
	_, past := byPresence(is.Topics)
	assert.LessOrEqual(t, len(past), notify.MaxMemberTopics)
	assert.Greater(t, len(past), notify.MaxMemberTopics/2)
	page, err := m.History(notify.Reader{User: "ada"}, 0, m.last, 10)
	require.NoError(t, err)
	assert.NotZero(t, page.Removed)
	count, err := m.Unread(notify.Reader{User: "ada"}, m.last)
	require.NoError(t, err)
	assert.Equal(t, len(past), count)
}

// A membership that has ended without anything left to read leaves no record, but what retention
// has removed from it is still a gap.
func TestALeftTopicLeavesNothing(t *testing.T) {
	m := newMembers(t)
	m.apply(notify.Members{Topic: "team", Add: []notify.UserID{"ada"}})
	m.publish("evicted", 1, "team")
	evicted := m.last
	m.apply(notify.Members{Topic: "team", Remove: []notify.UserID{"ada"}})
	is, err := m.Subscriber("ada")
	require.NoError(t, err)
	_, past := byPresence(is.Topics)
	require.Equal(t, []notify.Topic{"team"}, past)

	m.publish("after", 1, "team") // evicts the first one
	m.apply(notify.Members{Topic: "team", Add: []notify.UserID{"ada"}})
	m.apply(notify.Members{Topic: "team", Remove: []notify.UserID{"ada"}})
	is, err = m.Subscriber("ada")
	require.NoError(t, err)
	_, past = byPresence(is.Topics)
	require.Empty(t, past)
	page, err := m.History(notify.Reader{User: "ada"}, 0, m.last, 10)
	require.NoError(t, err)
	require.Empty(t, page.Notifications)
	require.Equal(t, evicted, page.Removed)
}

// A user hears a notification by a topic that it has left while that topic has notifications from then. Later,
// the notification is found by its other topic only.
func TestALeftTopicWithoutNotificationsHasNoGroup(t *testing.T) {
	m := newMembers(t)
	in, out := notify.Members{Topic: "team", Add: []notify.UserID{"ada"}}, notify.Members{Topic: "team", Remove: []notify.UserID{"ada"}}
	expected := model.New()
	reader := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project"}}
	for _, e := range []notify.Entry{
		in,
		notify.Publish{ID: idOf(1), Content: []byte(`"id":"` + idOf(1) + `"`), Audience: notify.AudienceTopic, Topics: []notify.Topic{"team", "project"}, Keep: 1},
		out,
		notify.Publish{ID: idOf(2), Content: []byte(`"id":"` + idOf(2) + `"`), Audience: notify.AudienceTopic, Topics: []notify.Topic{"team"}, Keep: 1},
		in, out,
	} {
		m.apply(e)
		expected.Apply(m.last, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), e)
	}
	got, err := m.CountMatching(reader, m.last, &notify.Filter{}, notify.ByTopic)
	require.NoError(t, err)
	one := notify.Counts{Unread: 1, Unseen: 1}
	require.Equal(t, notify.GroupedCounts{Counts: one, By: map[string]notify.Counts{"project": one}}, got)
	require.Equal(t, expected.CountMatching(reader, &notify.Filter{}, notify.ByTopic), got)
}

// A notification that retention has removed from a topic which a user has left is a gap for the user. It
// does not change which of the user's own notifications is the oldest.
func TestALeftTopicDoesNotHideOlderNotifications(t *testing.T) {
	m := newMembers(t)
	own := func(n int) {
		e := toUsers(n, "", "ada")
		e.Keep = 2
		m.apply(e)
	}
	own(101)
	own(102)
	m.apply(notify.Members{Topic: "team", Add: []notify.UserID{"ada"}})
	m.publish("evicted", 1, "team")
	evicted := m.last
	m.apply(notify.Members{Topic: "other", Add: []notify.UserID{"grace"}})
	m.publish("evicts", 1, "team")
	m.apply(notify.Recall{ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", m.last)})
	m.apply(notify.Members{Topic: "team", Remove: []notify.UserID{"ada"}})
	is, err := m.Subscriber("ada")
	require.NoError(t, err)
	require.Empty(t, is.Topics)
	own(103)
	page, err := m.History(notify.Reader{User: "ada"}, 2, m.last, 10)
	require.NoError(t, err)
	require.Equal(t, evicted, page.Removed)
	list, err := m.List(notify.Reader{User: "ada"}, 0, m.last, &notify.Filter{State: notify.StateAll}, 10, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Len(t, list.Notifications, 2)
	require.Equal(t, idOf(103), list.Notifications[0].ID())
	require.Equal(t, idOf(102), list.Notifications[1].ID())
}

// Leaving a topic may drop former memberships with unread notifications. The connections of the user then
// learn the new counts.
func TestDroppedMembershipsAreCountedAgain(t *testing.T) {
	m := newMembers(t)
	for i := range notify.MaxMemberTopics {
		topic := notify.Topic(fmt.Sprint("topic-", i))
		m.apply(notify.Members{Topic: topic, Add: []notify.UserID{"ada"}})
		m.publish("n", 10, topic)
		m.apply(notify.Members{Topic: topic, Remove: []notify.UserID{"ada"}})
	}
	m.apply(notify.Members{Topic: "last", Add: []notify.UserID{"ada"}})
	m.publish("n", 10, "last")
	before, err := m.Unread(notify.Reader{User: "ada"}, m.last)
	require.NoError(t, err)
	m.last++
	leave := notify.Members{Topic: "last", Remove: []notify.UserID{"ada"}}
	_, changes, err := m.Apply(m.last, notify.Stamp(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), leave))
	require.NoError(t, err)
	after, err := m.Unread(notify.Reader{User: "ada"}, m.last)
	require.NoError(t, err)
	require.Less(t, after, before)
	require.Contains(t, changes, notify.Change(notify.Recount{To: notify.Readers{Users: []notify.UserID{"ada"}}}))
}

// One entry drops former memberships of ten users at most, however many leave.
func TestAnEntryDropsTheMembershipsOfFewUsers(t *testing.T) {
	m := newMembers(t)
	var team []notify.UserID
	for i := range 12 {
		team = append(team, notify.UserID(fmt.Sprint("user-", i)))
	}
	for i := range notify.MaxMemberTopics + 1 {
		topic := notify.Topic(fmt.Sprint("topic-", i))
		m.apply(notify.Members{Topic: topic, Add: team})
		m.publish("n", 10, topic)
		m.apply(notify.Members{Topic: topic, Remove: team})
	}
	full := 0
	for _, u := range team {
		is, err := m.Subscriber(u)
		require.NoError(t, err)
		if len(is.Topics) > notify.MaxMemberTopics {
			full++
		}
	}
	require.Equal(t, 2, full)
}

// A caller within a bound makes a user a member of topics, and the topics beyond the bound count for the
// limit.
func TestTopicsBeyondTheBoundOfACallerCountForTheLimit(t *testing.T) {
	m := newMembers(t)
	m.apply(notify.Members{Topic: "other", Add: []notify.UserID{"ada"}})
	set := notify.UserTopics{User: "ada", Within: &notify.Bound{Topics: []notify.TopicPattern{"mine.*"}}}
	for i := range notify.MaxMemberTopics {
		set.Topics = append(set.Topics, notify.Topic(fmt.Sprint("mine.", i)))
	}
	require.ErrorIs(t, m.apply(set).Err, notify.ErrInvalid)
	set.Topics = set.Topics[1:]
	require.NoError(t, m.apply(set).Err)
}
