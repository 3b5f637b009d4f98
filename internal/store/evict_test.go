package store_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// kept returns e with a limit on the number of notifications in a history.
func kept(limit int, e notify.Publish) notify.Publish {
	e.Keep = limit
	return e
}

// withoutContent returns changes without content: a notification as its sequence.
func withoutContent(told []notify.Change) []any {
	all := make([]any, len(told))
	for i, c := range told {
		all[i] = c
		if n, ok := c.(*notify.Notification); ok {
			all[i] = n.Sequence
		}
	}
	return all
}

// Each user whose history is full receives the eviction after the notification that caused it.
func TestAFullHistoryEmitsItsEvictions(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toUsers(1, "", "ada"), toUsers(2, "", "ada", "eve"), markBy("ada", notify.VerbRead, idOf(1)))
	got := emitted(t, s, 4, kept(2, toUsers(4, "", "grace", "ada", "eve")), kept(2, toUsers(5, "", "ada", "eve")))
	assert.Equal(t, []any{
		notify.Sequence(4),
		notify.InboxChange{Sequence: 4, To: notify.Readers{Users: []notify.UserID{"ada"}}, Recalled: []string{idOf(1)}, Evicted: true},
		notify.Sequence(5),
		notify.InboxChange{Sequence: 5, To: notify.Readers{Users: []notify.UserID{"ada"}}, Recalled: []string{idOf(2)}, Evicted: true},
		notify.InboxChange{Sequence: 5, To: notify.Readers{Users: []notify.UserID{"eve"}}, Recalled: []string{idOf(2)}, Evicted: true},
	}, withoutContent(got), "no Recount follows: changes of one user carry the count")

	page, err := s.History(notify.Reader{User: "ada"}, 0, 5, 10)
	require.NoError(t, err)
	assert.Len(t, page.Changes, 1, "evictions are not stored as changes")
}

func TestAPublishEmitsOneChangePerUser(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	brief := kept(9, toUsers(2, "", "ada"))
	brief.TTL = time.Hour
	emitted(t, s, 1, kept(9, toUsers(1, "", "ada")), brief, kept(9, toUsers(3, "", "ada")))
	_, changes, err := s.Apply(4, notify.Stamp(noon().Add(2*time.Hour), kept(1, toUsers(4, "", "ada"))))
	require.NoError(t, err)
	assert.Equal(t, []any{
		notify.Sequence(4),
		notify.InboxChange{
			Sequence: 4, To: notify.Readers{Users: []notify.UserID{"ada"}}, Recalled: []string{idOf(1), idOf(2), idOf(3)}, Evicted: true,
		},
	}, withoutContent(changes), "expired notifications count until they are removed")
}

// All parts of a notification that replaces others come before the evictions that it causes.
func TestEvictionComesAfterAllPartsOfANotification(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toUsers(1, "k", "ada"), toUsers(2, "", "eve"))
	got := withoutContent(emitted(t, s, 3, kept(1, toUsers(3, "k", "eve", "ada"))))
	assert.Equal(t, []any{
		notify.InboxChange{Sequence: 3, To: notify.Readers{Users: []notify.UserID{"ada"}}, Recalled: []string{idOf(1)}, Replaced: true},
		notify.Sequence(3),
		notify.Sequence(3),
		notify.InboxChange{Sequence: 3, To: notify.Readers{Users: []notify.UserID{"eve"}}, Recalled: []string{idOf(2)}, Evicted: true},
	}, got)
}

// An eviction from a shared history emits one change for all readers, and a Recount.
func TestEvictionFromASharedHistory(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	toAll := func(n int) notify.Publish {
		e := kept(1, toUsers(n, ""))
		e.Audience = notify.AudienceAll
		return e
	}
	emitted(t, s, 1, toAll(1), kept(1, toTopics(2, "team")))
	assert.Equal(t, []any{
		notify.Sequence(3),
		notify.InboxChange{Sequence: 3, To: notify.Readers{All: true}, Recalled: []string{idOf(1)}, Evicted: true},
		notify.Recount{To: notify.Readers{All: true}},
		notify.Sequence(4),
		notify.InboxChange{Sequence: 4, To: notify.Readers{Topics: []notify.Topic{"team"}}, Recalled: []string{idOf(2)}, Evicted: true},
		notify.Recount{To: notify.Readers{Topics: []notify.Topic{"team"}}},
	}, withoutContent(emitted(t, s, 3, toAll(3), kept(1, toTopics(4, "team")))))
}

// A notification to several topics that one topic evicts stays visible to readers of the others.
func TestEvictionFromOneOfSeveralTopics(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toTopics(1, "x", "y"), toTopics(2, "x"))
	change := func(seq notify.Sequence, topic notify.Topic, n int, heldBy ...notify.Topic) notify.InboxChange {
		return notify.InboxChange{
			Sequence: seq, To: notify.Readers{Topics: []notify.Topic{topic}}, Recalled: []string{idOf(n)}, Evicted: true, HeldBy: heldBy, EvictedAt: notify.Sequence(min(1, len(heldBy))),
		}
	}
	got := withoutContent(emitted(t, s, 3, kept(1, toTopics(3, "x")), kept(1, toTopics(4, "y"))))
	assert.Equal(t, []any{
		notify.Sequence(3), change(3, "x", 1, "y"), change(3, "x", 2),
		notify.Recount{To: notify.Readers{Topics: []notify.Topic{"x"}}},
		notify.Sequence(4), change(4, "y", 1),
		notify.Recount{To: notify.Readers{Topics: []notify.Topic{"y"}}},
	}, got)
}
