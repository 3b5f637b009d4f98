package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestEachReplacementHasItsOwnChange(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	got := emitted(t, s, 1, toUsers(1, "k", "ada"), toUsers(2, "k", "grace"), toUsers(3, "k", "ada", "grace", "eve"))
	parts := map[string][]notify.UserID{}
	gone := map[string][]notify.UserID{}
	for _, c := range got[2:] {
		switch c := c.(type) {
		case *notify.Notification:
			require.Equal(t, notify.Sequence(3), c.Sequence)
			parts[c.Replaces] = c.Users
		case notify.InboxChange:
			require.Equal(t, notify.Sequence(3), c.Sequence)
			require.True(t, c.Replaced)
			require.Empty(t, parts, "the change about removed notifications comes first")
			gone[c.Recalled[0]] = c.To.Users
		default:
			t.Errorf("%T", c)
		}
	}
	assert.Equal(t, map[string][]notify.UserID{idOf(1): {"ada"}, idOf(2): {"grace"}, "": {"eve"}}, parts)
	assert.Equal(t, map[string][]notify.UserID{idOf(1): {"ada"}, idOf(2): {"grace"}}, gone)
}

// If a publish replaces the same notification for many users, one change recalls it for all of
// them. If it replaces another notification for each user, each user gets a change and a part
// of the publish.
func TestCollapsingForManyUsers(t *testing.T) {
	const many = 200
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	var users []notify.UserID
	var first []notify.Entry
	for i := range many {
		users = append(users, notify.UserID(fmt.Sprintf("user-%03d", i)))
		first = append(first, toUsers(i, "each", users[i]))
	}
	emitted(t, s, 1, append(first, toUsers(many, "all", users...))...)
	got := emitted(t, s, many+2, toUsers(many+1, "all", users...))
	require.Len(t, got, 3)
	assert.Equal(t, notify.Recount{To: notify.Readers{Users: users}}, got[2])
	assert.Equal(t, notify.InboxChange{
		Sequence: many + 2, To: notify.Readers{Users: users}, Recalled: []string{idOf(many)}, Replaced: true,
	}, got[0])
	assert.Equal(t, users, got[1].(*notify.Notification).Users)

	got = emitted(t, s, many+3, toUsers(many+2, "each", users...))
	require.Len(t, got, 2*many)
	for i, c := range got[many:] {
		n := c.(*notify.Notification)
		assert.Equal(t, idOf(many-1-i), n.Replaces)
		assert.Equal(t, []notify.UserID{users[many-1-i]}, n.Users)
	}
}

// A reader of some of the topics receives the replacement of the notification that it had, and
// of no other. A notification that is replaced in one topic is removed from all.
func TestCollapsingInTopics(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	collapsing := func(n int, topics ...notify.Topic) notify.Publish {
		e := toTopics(n, topics...)
		e.CollapseKey = "k"
		return e
	}
	emitted(t, s, 1, collapsing(1, "x", "z"), collapsing(2, "y"))
	got := emitted(t, s, 3, collapsing(3, "y", "x", "w"))
	require.Len(t, got, 6)
	assert.Equal(t, notify.Recount{To: notify.Readers{Topics: []notify.Topic{"x", "y", "z"}}}, got[5])
	assert.Equal(t, notify.InboxChange{
		Sequence: 3, To: notify.Readers{Topics: []notify.Topic{"y"}}, Recalled: []string{idOf(2)}, Replaced: true,
	}, got[0])
	assert.Equal(t, notify.InboxChange{
		Sequence: 3, To: notify.Readers{Topics: []notify.Topic{"x", "z"}}, Recalled: []string{idOf(1)}, Replaced: true,
	}, got[1])
	last, ok := got[4].(*notify.Notification)
	require.True(t, ok)
	assert.Equal(t, []notify.Topic{"w"}, last.Topics)
	assert.Empty(t, last.Replaces)

	for topics, want := range map[string][]string{"x": {idOf(1)}, "z": {idOf(1)}, "y": {idOf(2)}, "w": nil, "x y": {idOf(1), idOf(2)}} {
		var r notify.Reader
		for name := range strings.FieldsSeq(topics) {
			r.Topics = append(r.Topics, notify.TopicPattern(name))
		}
		page, err := s.History(r, 2, 3, 1) // the page has the change and the notification, although the limit is 1
		require.NoError(t, err)
		var recalled []string
		for _, c := range page.Changes {
			recalled = append(recalled, c.Recalled...)
		}
		slices.Sort(recalled)
		assert.Equal(t, want, recalled, topics)
		if topics != "z" {
			require.Len(t, page.Notifications, 1, topics)
			assert.Equal(t, want == nil, page.Notifications[0].Replaces == "", topics)
		}
	}
}

// A device that was away receives the recall of a replaced notification that it still shows,
// even if the newer notification was recalled too.
func TestReplacedNotificationsAreRecalledAfterAResume(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	brief := toUsers(2, "k", "ada")
	brief.TTL = time.Second
	emitted(t, s, 1, toUsers(1, "k", "ada"), brief, notify.Recall{ID: idOf(2), Keep: 3})
	got, removed := inboxChanges(t, s, 1, 3)
	assert.Zero(t, removed)
	assert.Equal(t, []notify.InboxChange{{Sequence: 2, Recalled: []string{idOf(1)}}, {Sequence: 3, Recalled: []string{idOf(2)}}}, got)
}
