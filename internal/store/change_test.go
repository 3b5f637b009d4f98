package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

func idOf(n int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }

// toUsers returns a publish with the ID idOf(n).
func toUsers(n int, collapse string, users ...notify.UserID) notify.Publish {
	return notify.Publish{
		ID: idOf(n), Audience: notify.AudienceUser, Users: users, CollapseKey: collapse,
		Content: []byte(`"id":"` + idOf(n) + `","type":"t"`), Keep: 3,
	}
}

func toTopics(n int, topics ...notify.Topic) notify.Publish {
	e := toUsers(n, "")
	e.Audience, e.Topics = notify.AudienceTopic, topics
	return e
}

func markBy(user notify.UserID, verb notify.Verb, ids ...string) notify.Mark {
	return notify.Mark{Reader: notify.Reader{User: user}, Verb: verb, IDs: ids, Keep: 3}
}

// emitted applies entries in one transaction, from a sequence on, and returns the changes
// that must be delivered.
func emitted(t *testing.T, s *store.Store, first notify.Sequence, entries ...notify.Entry) []notify.Change {
	t.Helper()
	_, changes, err := s.Apply(first, notify.Stamp(noon(), entries...))
	require.NoError(t, err)
	return changes
}

// inboxChanges returns the inbox changes of ada after a sequence, and the sequence that was removed.
func inboxChanges(t *testing.T, s *store.Store, after, upTo notify.Sequence) (of []notify.InboxChange, removed notify.Sequence) {
	t.Helper()
	page, err := s.History(notify.Reader{User: "ada", Topics: []notify.TopicPattern{"team.*"}}, after, upTo, 100)
	require.NoError(t, err)
	require.Equal(t, upTo, page.End)
	return page.Changes, page.Removed
}

func TestChangesAreReplayed(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1,
		toUsers(1, "", "ada"), toTopics(2, "team.a", "team.b"), // 1, 2
		markBy("ada", notify.VerbRead, idOf(1), idOf(9)), // 3
		notify.Mark{ // 4
			Reader: notify.Reader{User: "ada", Topics: []notify.TopicPattern{"team.*"}}, Verb: notify.VerbArchive, Through: 4, Keep: 3,
		},
		markBy("grace", notify.VerbRead, idOf(1)),                           // 5: not a notification of grace
		notify.Recall{ID: idOf(2), Keep: 3},                                 // 6
		notify.Recall{ID: idOf(1), Keep: 3},                                 // 7
		markBy("ada", notify.VerbUnread, idOf(1)), toUsers(10, "", "grace"), // 8, 9
	)
	got, removed := inboxChanges(t, s, 0, 9)
	assert.Zero(t, removed)
	assert.Equal(t, []notify.InboxChange{
		{Sequence: 3, Read: []string{idOf(1)}},
		{Sequence: 4, Archived: []string{idOf(1), idOf(2)}},
		{Sequence: 6, Recalled: []string{idOf(2)}},
		{Sequence: 7, Recalled: []string{idOf(1)}},
	}, got)
	got, _ = inboxChanges(t, s, 3, 6)
	assert.Len(t, got, 2)
}

// Only the newest changes are kept. A reader with a cursor before a dropped change has a gap.
func TestChangesAreBounded(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toUsers(1, "", "ada"))
	for seq := notify.Sequence(2); seq <= 9; seq++ {
		verb := notify.VerbRead
		if seq%2 == 1 {
			verb = notify.VerbUnread
		}
		emitted(t, s, seq, markBy("ada", verb, idOf(1)))
	}
	got, removed := inboxChanges(t, s, 0, 9)
	assert.Len(t, got, 4) // as many as Keep says, and the newest one
	assert.Equal(t, notify.Sequence(5), removed)

	_, _, err := s.Apply(10, notify.Stamp(noon().Add(32*24*time.Hour), notify.Cleanup{Retention: 1000 * 24 * time.Hour}))
	require.NoError(t, err)
	got, removed = inboxChanges(t, s, 0, 10)
	assert.Empty(t, got)
	assert.Equal(t, notify.Sequence(9), removed)
	n, err := s.Unread(notify.Reader{User: "ada"}, 10)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestDeferred(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	late, soon := toUsers(1, "", "ada"), toUsers(2, "", "ada")
	late.DeliverAt, soon.DeliverAt = noon().Add(2*time.Hour), noon().Add(time.Hour)
	soon.TTL = time.Minute
	assert.Empty(t, emitted(t, s, 1, late, soon))
	require.NoError(t, s.Close())

	s = openIn(t, fs)
	defer s.Close()
	due, next, err := s.DueDeferred(noon(), 10)
	require.NoError(t, err)
	assert.Empty(t, due)
	assert.True(t, soon.DeliverAt.Equal(next))
	due, next, err = s.DueDeferred(noon().Add(3*time.Hour), 10)
	require.NoError(t, err)
	assert.Zero(t, next)
	require.Len(t, due, 2)
	assert.Equal(t, notify.Sequence(2), due[0].Sequence)

	assert.Empty(t, emitted(t, s, 3, notify.Release{Ref: due[0]}), "before its time")
	_, got, err := s.Apply(4, notify.Stamp(noon().Add(time.Hour),
		notify.Release{Ref: due[0]}, notify.Release{Ref: due[0]}, notify.Recall{ID: idOf(1)}, notify.Release{Ref: due[1]},
	))
	require.NoError(t, err)
	require.Len(t, got, 1)
	n, ok := got[0].(*notify.Notification)
	require.True(t, ok)
	assert.Equal(t, notify.Sequence(4), n.Sequence)
	assert.True(t, n.Expires.Equal(noon().Add(time.Hour+time.Minute)), "the lifetime begins with the delivery")
}

// One Mark entry changes a bounded number of shared notifications, like those of a user: the
// change must fit into one event, and publishes wait while the entry is applied.
func TestMarkingManySharedNotifications(t *testing.T) {
	const topics, each = 3, 500
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	reader := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"team.*"}}
	var all []notify.Entry
	for n := range topics * each {
		e := toTopics(n, notify.Topic(fmt.Sprintf("team.%d", n%topics)), "team.all")
		e.Keep = topics * each
		all = append(all, e)
	}
	emitted(t, s, 1, all...)
	last := notify.Sequence(len(all))
	unread := func() int {
		n, err := s.Unread(reader, last)
		require.NoError(t, err)
		return n
	}
	for _, verb := range []notify.Verb{notify.VerbRead, notify.VerbUnread, notify.VerbArchive} {
		mark := notify.Mark{Reader: reader, Verb: verb, Through: notify.Sequence(topics*each - 1), Keep: 10_000}
		var changed []string
		for more := true; more; {
			last++
			verdicts, changes, err := s.Apply(last, notify.Stamp(noon(), mark))
			require.NoError(t, err)
			require.Len(t, changes, 1)
			c := changes[0].(notify.InboxChange)
			ids := slices.Concat(c.Read, c.Unread, c.Archived)
			require.LessOrEqual(t, len(ids), 250)
			require.Len(t, ids, verdicts[0].Changed)
			changed, more, mark.From = append(changed, ids...), verdicts[0].More, verdicts[0].Next
		}
		var want []string
		for n := range topics*each - 1 {
			want = append(want, idOf(n))
		}
		assert.ElementsMatch(t, want, changed, verb)
		if verb == notify.VerbUnread {
			assert.Equal(t, topics*each, unread())
		} else {
			assert.Equal(t, 1, unread())
		}
	}
}

// The size of a page is bounded, whatever the size of its notifications. A page that is
// full says where the next one begins.
func TestPagesOfAListAreBounded(t *testing.T) {
	const all, bytes = 100, 16 << 10
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	for n := range all {
		e := toUsers(n, "", "ada")
		e.Keep, e.Content = all, append(e.Content, `,"body":"`+strings.Repeat("b", bytes)+`"`...)
		emitted(t, s, notify.Sequence(n+1), e)
	}
	emitted(t, s, all+1, markBy("ada", notify.VerbArchive, idOf(all/2), idOf(1)))
	for state, want := range map[notify.InboxState]int{notify.StateAll: all, notify.StateArchived: 2, notify.StateInbox: all - 2} {
		got := 0
		before := notify.Sequence(0)
		for more := true; more; {
			list, err := s.List(notify.Reader{User: "ada"}, before, all+1, &notify.Filter{State: state}, 100, noon())
			require.NoError(t, err)
			require.NotEmpty(t, list.Notifications)
			require.LessOrEqual(t, len(list.Notifications), 17)
			got += len(list.Notifications)
			before, more = list.Next, list.Next > 0
		}
		assert.Equal(t, want, got, state)
	}
}

// A change that is dropped leaves no record. Otherwise a user that marks all day would fill the
// disk.
func TestADroppedChangeLeavesNothing(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toUsers(1, "", "ada"), markBy("ada", notify.VerbRead, idOf(1)))
	_, _, err := s.Apply(3, notify.Stamp(noon().Add(time.Hour),
		markBy("ada", notify.VerbUnread, idOf(1)), markBy("ada", notify.VerbRead, idOf(1)),
		markBy("ada", notify.VerbUnread, idOf(1)), markBy("ada", notify.VerbRead, idOf(1)),
	))
	require.NoError(t, err)
	_, removed := inboxChanges(t, s, 0, 6)
	require.Equal(t, notify.Sequence(2), removed)
	due, err := s.Due(noon().Add(31*24*time.Hour+time.Minute), notify.Cleanup{Retention: 1000 * 24 * time.Hour})
	require.NoError(t, err)
	assert.False(t, due)
	due, err = s.Due(noon().Add(31*24*time.Hour+time.Hour), notify.Cleanup{Retention: 1000 * 24 * time.Hour})
	require.NoError(t, err)
	assert.True(t, due)
}

// The read state of evicted notifications is removed by later Marks.
func TestReadStateOfEvictedNotificationsIsRemoved(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	last := notify.Sequence(0)
	for n := range 500 {
		e := toUsers(n, "")
		e.Audience = notify.AudienceAll
		emitted(t, s, last+1, e, markBy("ada", notify.VerbRead, idOf(n)))
		last += 2
	}
	unread, err := s.Unread(notify.Reader{User: "ada"}, last)
	require.NoError(t, err)
	assert.Zero(t, unread)
	require.NoError(t, s.Close())
	db := openPebble(t, fs)
	marks, closer, err := db.Get([]byte("bada"))
	require.NoError(t, err)
	assert.Less(t, len(marks), 500) // about ten bytes for each of 50 intervals
	require.NoError(t, closer.Close())
	require.NoError(t, db.Close())
}

// openPebble opens the files of a closed store.
func openPebble(t *testing.T, fs vfs.FS) *pebble.DB {
	t.Helper()
	db, err := pebble.Open("data/store", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	require.NoError(t, err)
	return db
}

// A broadcast from before the Since of a token is hidden from marks, counts and lists, even
// if Since is within the same millisecond.
func TestSinceWithinAMillisecond(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	e := toUsers(1, "")
	e.Audience = notify.AudienceAll
	reader := notify.Reader{User: "ada", Since: noon().Add(time.Microsecond)}
	got := emitted(t, s, 1, e, notify.Mark{Reader: reader, Verb: notify.VerbRead, IDs: []string{idOf(1)}, Keep: 3})
	assert.Len(t, got, 1, "the hidden broadcast cannot be marked")
	n, err := s.Unread(reader, 2)
	require.NoError(t, err)
	assert.Zero(t, n)
	list, err := s.List(reader, 0, 2, &notify.Filter{State: notify.StateAll}, 10, noon())
	require.NoError(t, err)
	assert.Empty(t, list.Notifications)
}
