package store_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

// More users receive notifications in turn than the cache has histories; each history keeps
// the newest two.
func TestApplyToManyUsers(t *testing.T) {
	const users, rounds, group = 40_000, 3, 4_000
	s := openIn(t, vfs.NewMem())
	for n := 0; n < users*rounds; n += group {
		entries := make([]notify.Entry, group)
		for i := range entries {
			to := notify.UserID(strconv.Itoa((n + i) % users))
			entries[i] = notify.Publish{ID: idOf(n + i), Audience: notify.AudienceUser, Users: []notify.UserID{to}, Keep: 2}
		}
		if _, _, err := s.Apply(notify.Sequence(n+1), notify.Stamp(time.Now(), entries...)); err != nil {
			t.Fatal(err)
		}
	}
	for u := 0; u < users; u += 997 {
		page, err := s.History(notify.Reader{User: notify.UserID(strconv.Itoa(u))}, 0, users*rounds, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []notify.Sequence
		for _, n := range page.Notifications {
			got = append(got, n.Sequence)
		}
		first := notify.Sequence(u + 1)
		if want := []notify.Sequence{first + users, first + 2*users}; !slices.Equal(got, want) || page.Removed != first {
			t.Errorf("user %d has %v after %d, want %v after %d", u, got, page.Removed, want, first)
		}
	}
}
