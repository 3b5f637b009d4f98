package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// removedOf returns the IDs of all removed notifications of a user with their state, page by page, and the number of pages.
func removedOf(t *testing.T, s *store.Store, user notify.UserID, limit int) (all []string, pages int) {
	t.Helper()
	before := notify.Sequence(0)
	for {
		p, err := s.Removed(user, before, ^notify.Sequence(0), limit, noon())
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Removed), limit)
		for _, r := range p.Removed {
			all = append(all, r.ID[len(r.ID)-2:]+" "+string(r.Status))
		}
		pages++
		if p.Next == 0 {
			return all, pages
		}
		require.True(t, before == 0 || p.Next < before, "a page ends before the page before")
		require.False(t, p.SearchedTo.IsZero())
		before = p.Next
	}
}

// Each notification that has left the inbox of a user is listed once, the last published first, on pages of any size.
func TestTheRemovedNotificationsOfAUserAreListed(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	everyone := toUsers(8, "")
	everyone.Audience = notify.AudienceAll
	everyone.Except = []notify.UserID{"eve"}
	for _, one := range []notify.Entry{
		notify.Members{Topic: "team", Add: []notify.UserID{"ada"}},
		toUsers(1, "build", "abe", "ada", "grace"), toUsers(2, "build", "abe", "ada"), // grace keeps the first
		toUsers(3, "call", "ada", "grace", "zoe"), toUsers(4, "call", "zoe"), toUsers(5, "call", "ada"), toUsers(6, "call", "grace"),
		toTopics(7, "team"), everyone, toUsers(9, "", "grace"), toTopics(10, "other"),
		markBy("ada", notify.VerbRead, idOf(7)),
		notify.Recall{ID: idOf(7)},
		notify.Recall{ID: idOf(8)},
		notify.Recall{ID: idOf(9)},
		notify.Recall{ID: idOf(10)},
	} {
		require.NoError(t, apply(t, s, noon(), one)[0].Err)
	}
	for limit := 1; limit <= 5; limit++ {
		all, _ := removedOf(t, s, "ada", limit)
		require.Equal(t, []string{"08 recalled", "07 recalled", "03 replaced", "01 replaced"}, all, "pages of %d", limit)
		all, _ = removedOf(t, s, "grace", limit)
		require.Equal(t, []string{"09 recalled", "08 recalled", "03 replaced"}, all)
		all, _ = removedOf(t, s, "eve", limit)
		require.Empty(t, all, "the publisher has left the user out")
	}
	p, err := s.Removed("ada", 0, ^notify.Sequence(0), 10, noon())
	require.NoError(t, err)
	require.Equal(t, noon(), p.Removed[1].Read)
	require.Equal(t, notify.Topic("team"), p.Removed[1].Topic)
	require.NotEmpty(t, p.Removed[1].RemovedType)
	require.Empty(t, p.Removed[1].Content)
	require.Empty(t, p.Removed[2].Content)
	require.Equal(t, store.Fate{Status: notify.StatusReplaced, At: noon(), ReplacedBy: idOf(5)}, p.Removed[2].Fate, "that of the user, not the last one")
	require.NotEmpty(t, p.Removed[3].Content, "grace still has it")
	require.Zero(t, p.Removed[3].Users, "others are not listed")
	none, err := s.Removed("ada", 0, 2, 10, noon())
	require.NoError(t, err)
	require.Len(t, none.Removed, 1, "of those up to a sequence")
}

// The work for a page does not grow with the removed notifications of all users.
func TestAPageOfRemovedNotificationsReadsAPart(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	entries := []notify.Entry{toUsers(1, "", "ada"), notify.Recall{ID: idOf(1)}}
	var crowd []notify.UserID
	for n := range notify.MaxUsers {
		crowd = append(crowd, notify.UserID(fmt.Sprint("user", n)))
	}
	for n := range 25 { // each counts as a hundred
		entries = append(entries, toUsers(20_000+n, "", crowd...), notify.Recall{ID: idOf(20_000 + n)})
	}
	const others = 9_000
	for n := range others {
		e := toUsers(2+n, "", "grace")
		e.Keep = 1
		entries = append(entries, e)
	}
	apply(t, s, noon(), entries...)
	p, err := s.Removed("ada", 0, ^notify.Sequence(0), 10, noon().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, p.Removed)
	require.Positive(t, p.Next, "of all that are left of others, a page reads a part")
	require.Equal(t, noon(), p.SearchedTo)
	all, pages := removedOf(t, s, "ada", 10)
	require.Equal(t, []string{"01 recalled"}, all)
	require.Equal(t, 2, pages)
}

// A page ends when it has enough content of notifications that other users still have.
func TestAPageOfRemovedNotificationsHasABoundedContent(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	const all, bytes = 6, 64 << 10
	for n := range all + 1 {
		e := toUsers(1+n, "", "ada")
		if n < all {
			e = toUsers(1+n, "", "ada", "grace")
			e.Content = append(e.Content, `,"x":"`+strings.Repeat("x", bytes)+`"`...)
		}
		e.Keep = all
		apply(t, s, noon(), e)
	}
	for n := range all {
		e := toUsers(100+n, "", "ada")
		e.Keep = 1
		apply(t, s, noon(), e)
	}
	p, err := s.Removed("ada", 0, ^notify.Sequence(0), 100, noon())
	require.NoError(t, err)
	require.Positive(t, p.Next)
	found, pages := removedOf(t, s, "ada", 100)
	require.Len(t, found, 2*all)
	require.Equal(t, 2, pages)
}
