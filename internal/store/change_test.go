package store_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
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

// toUsers is a publish called idOf(n).
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

// told applies entries as one group and returns what is to be passed on.
func told(t *testing.T, s *store.Store, first notify.Sequence, entries ...notify.Entry) []notify.Change {
	t.Helper()
	_, changes, err := s.Apply(first, noon(), entries)
	require.NoError(t, err)
	return changes
}

// changes returns what ada is told of the state of her inbox after a place.
func changes(t *testing.T, s *store.Store, after, upTo notify.Sequence) (of []notify.InboxChange, removed notify.Sequence) {
	t.Helper()
	page, err := s.History(notify.Reader{User: "ada", Topics: []notify.TopicPattern{"team.*"}}, after, upTo, 100)
	require.NoError(t, err)
	require.Equal(t, upTo, page.End)
	return page.Changes, page.Removed
}

func TestChangesAreReplayed(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	told(t, s, 1,
		toUsers(1, "", "ada"), toTopics(2, "team.a", "team.b"), // 1, 2
		markBy("ada", notify.VerbRead, idOf(1), idOf(9)), // 3
		notify.Mark{ // 4
			Reader: notify.Reader{User: "ada", Topics: []notify.TopicPattern{"team.*"}}, Verb: notify.VerbArchive, Through: 4, Keep: 3,
		},
		markBy("grace", notify.VerbRead, idOf(1)),                           // 5: not hers
		notify.Recall{ID: idOf(2), Keep: 3},                                 // 6
		notify.Recall{ID: idOf(1), Keep: 3},                                 // 7
		markBy("ada", notify.VerbUnread, idOf(1)), toUsers(10, "", "grace"), // 8, 9
	)
	got, removed := changes(t, s, 0, 9)
	assert.Zero(t, removed)
	assert.Equal(t, []notify.InboxChange{
		{Sequence: 3, Read: []string{idOf(1)}},
		{Sequence: 4, Archived: []string{idOf(1), idOf(2)}},
		{Sequence: 6, Recalled: []string{idOf(2)}},
		{Sequence: 7, Recalled: []string{idOf(1)}},
	}, got)
	got, _ = changes(t, s, 3, 6)
	assert.Len(t, got, 2)
}

// The newest changes are kept; a cursor from before the others has a hole.
func TestChangesAreBounded(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	told(t, s, 1, toUsers(1, "", "ada"))
	for seq := notify.Sequence(2); seq <= 9; seq++ {
		verb := notify.VerbRead
		if seq%2 == 1 {
			verb = notify.VerbUnread
		}
		told(t, s, seq, markBy("ada", verb, idOf(1)))
	}
	got, removed := changes(t, s, 0, 9)
	assert.Len(t, got, 4) // as many as are kept, and the last
	assert.Equal(t, notify.Sequence(5), removed)

	_, _, err := s.Apply(10, noon().Add(32*24*time.Hour), []notify.Entry{notify.Sweep{Retention: 1000 * 24 * time.Hour}})
	require.NoError(t, err)
	got, removed = changes(t, s, 0, 10)
	assert.Empty(t, got)
	assert.Equal(t, notify.Sequence(9), removed)
	n, err := s.Unread(notify.Reader{User: "ada"}, 10)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

// What falls out of a full history was counted by those who heard it.
func TestWhatIsDroppedIsCountedAnew(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	got := told(t, s, 1, toUsers(1, "", "ada"), toUsers(2, "", "ada"), toUsers(3, "", "ada"))
	require.Len(t, got, 3)
	got = told(t, s, 4, toUsers(4, "", "ada"), markBy("ada", notify.VerbRead, idOf(2)), toUsers(5, "", "ada"))
	require.Len(t, got, 4) // 2 was read: nothing to count
	assert.Equal(t, notify.Recount{To: notify.Readers{Users: []notify.UserID{"ada"}}}, got[1])
}

func TestDeferred(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	late, soon := toUsers(1, "", "ada"), toUsers(2, "", "ada")
	late.DeliverAt, soon.DeliverAt = noon().Add(2*time.Hour), noon().Add(time.Hour)
	soon.TTL = time.Minute
	assert.Empty(t, told(t, s, 1, late, soon))
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

	assert.Empty(t, told(t, s, 3, notify.Release{Ref: due[0]}), "before its time")
	_, got, err := s.Apply(4, noon().Add(time.Hour), []notify.Entry{
		notify.Release{Ref: due[0]}, notify.Release{Ref: due[0]}, notify.Recall{ID: idOf(1)}, notify.Release{Ref: due[1]},
	})
	require.NoError(t, err)
	require.Len(t, got, 1)
	n, ok := got[0].(*notify.Notification)
	require.True(t, ok)
	assert.Equal(t, notify.Sequence(4), n.Sequence)
	assert.True(t, n.Expires.Equal(noon().Add(time.Hour+time.Minute)), "it lives from when it is delivered")
}

// rewritten opens the closed store in fs as it never was: change has its keys.
func rewritten(t *testing.T, fs vfs.FS, change func(set func(key, value string), db *pebble.DB)) *store.Store {
	t.Helper()
	db, err := pebble.Open("data/store", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	require.NoError(t, err)
	set := func(key, value string) { require.NoError(t, db.Set([]byte(key), []byte(value), pebble.Sync)) }
	placeRecords(t, db, set)
	change(set, db)
	require.NoError(t, db.Close())
	s, err := store.Open("data", store.Options{FS: fs, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

// placeRecords puts the records of what users were told alone where formats before
// 4 had them. Nothing may be marked yet, or have replaced anything.
func placeRecords(t *testing.T, db *pebble.DB, set func(key, value string)) {
	t.Helper()
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte("n"), UpperBound: []byte("o")})
	require.NoError(t, err)
	moved := map[string]string{}
	for ok := it.First(); ok; ok = it.Next() {
		if user, ok := strings.CutPrefix(string(it.Value()), "\x80\x00"); ok {
			key := binary.BigEndian.AppendUint16([]byte("u"), uint16(len(user)))
			moved[string(it.Key())] = string(key) + user + string(it.Key()[1:])
		}
	}
	require.NoError(t, it.Close())
	for record, told := range moved {
		v, closer, err := db.Get([]byte(told))
		require.NoError(t, err)
		itself, ok := strings.CutPrefix(string(v), "\x80\x00\x00\x00\x00")
		require.NoError(t, closer.Close())
		require.True(t, ok)
		set(record, itself)
		set(told, "")
	}
}

// Stores of earlier formats have all records in one place; the earliest know no
// IDs and no counts.
func TestEarlierFormatsAreMigrated(t *testing.T) {
	for _, format := range []string{"\x01", "\x02", "\x03"} {
		fs := vfs.NewMem()
		s := openIn(t, fs)
		told(t, s, 1, toUsers(1, "", "ada"), toUsers(2, "", "ada"))
		require.NoError(t, s.Close())
		s = rewritten(t, fs, func(set func(key, value string), db *pebble.DB) {
			set("v", format)
			if format == "\x03" {
				return
			}
			require.NoError(t, db.DeleteRange([]byte("d"), []byte("e"), pebble.Sync))
			set("mada", "\x02\x00\x00") // kept, removed, and when
		})
		n, err := s.Unread(notify.Reader{User: "ada"}, 2)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		got := told(t, s, 3, markBy("ada", notify.VerbRead, idOf(1)))
		assert.Len(t, got, 1)
		n, err = s.Unread(notify.Reader{User: "ada"}, 3)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		told(t, s, 4, toUsers(3, "", "ada"))
		list, err := s.List(notify.Reader{User: "ada"}, 0, 4, notify.StateAll, 10, noon())
		require.NoError(t, err)
		require.Len(t, list.Notifications, 3)
		for i, n := range list.Notifications {
			assert.Equal(t, idOf(3-i), n.ID())
			assert.Equal(t, i == 2, !n.Read.IsZero())
		}
		require.NoError(t, s.Close())
	}
}

// Format 2 knew tickets without topics, and counted bytes without places.
func TestFormat2KeptTicketsOtherwise(t *testing.T) {
	const least = 1000 // more than is kept
	hash := strings.Repeat("h", 32)
	fs := vfs.NewMem()
	s := openIn(t, fs)
	told(t, s, 1, toUsers(1, "", "ada"))
	require.NoError(t, s.Close())
	s = rewritten(t, fs, func(set func(key, value string), _ *pebble.DB) {
		at := binary.AppendUvarint(nil, uint64(noon().UnixMilli()))
		set("t"+hash, string(at)+"\x03ada\x08user:ada\x00\x00\x00\x00\x0enotify:publish")
		end := binary.BigEndian.AppendUint64([]byte("x"), uint64(noon().Add(notify.TicketLifetime).UnixMilli()))
		set(string(end)+"t"+hash, "")
		set("s", "\x01\x01") // last, and bytes: fewer than with a place
		set("v", "\x02")
	})
	defer s.Close()
	verdicts, _, err := s.Apply(2, noon(), []notify.Entry{
		notify.Redemption{Hash: [32]byte([]byte(hash))}, notify.Recall{ID: idOf(1)}, toUsers(2, "", "ada"),
	})
	require.NoError(t, err)
	assert.ErrorIs(t, verdicts[0].Err, notify.ErrTokenInvalid)
	assert.NoError(t, verdicts[1].Err)
	sweep := notify.Sweep{Retention: time.Hour, MaxBytes: least}
	_, _, err = s.Apply(5, noon().Add(time.Minute), []notify.Entry{sweep})
	require.NoError(t, err)
	n, err := s.Unread(notify.Reader{User: "ada"}, 5)
	require.NoError(t, err)
	assert.Equal(t, 1, n, "the bytes of what is recalled were never counted, and all that is kept seems too much")
}

// One mark changes a bounded number of what is shared, too: what it comes to must
// fit what a connection can be told, and publishes wait for it.
func TestMarkingMuchThatIsShared(t *testing.T) {
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
	told(t, s, 1, all...)
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
			verdicts, changes, err := s.Apply(last, noon(), []notify.Entry{mark})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			c := changes[0].(notify.InboxChange)
			ids := slices.Concat(c.Read, c.Unread, c.Archived)
			require.LessOrEqual(t, len(ids), 1000)
			changed, more = append(changed, ids...), verdicts[0].More
		}
		var want []string
		for n := range topics*each - 1 {
			want = append(want, idOf(n))
		}
		assert.Equal(t, want, changed, verb)
		if verb == notify.VerbUnread {
			assert.Equal(t, topics*each, unread())
		} else {
			assert.Equal(t, 1, unread())
		}
	}
}

// However large notifications are, a page of them is not; and there is always
// another while there are more.
func TestPagesOfAListAreBounded(t *testing.T) {
	const all, bytes = 100, 16 << 10
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	for n := range all {
		e := toUsers(n, "", "ada")
		e.Keep, e.Content = all, append(e.Content, `,"body":"`+strings.Repeat("b", bytes)+`"`...)
		told(t, s, notify.Sequence(n+1), e)
	}
	told(t, s, all+1, markBy("ada", notify.VerbArchive, idOf(all/2), idOf(1)))
	for state, want := range map[notify.InboxState]int{notify.StateAll: all, notify.StateArchived: 2, notify.StateInbox: all - 2} {
		got := 0
		before := notify.Sequence(0)
		for more := true; more; {
			list, err := s.List(notify.Reader{User: "ada"}, before, all+1, state, 100, noon())
			require.NoError(t, err)
			require.NotEmpty(t, list.Notifications)
			require.LessOrEqual(t, len(list.Notifications), 17)
			got += len(list.Notifications)
			before, more = list.Notifications[len(list.Notifications)-1].Sequence, list.More
		}
		assert.Equal(t, want, got, state)
	}
}

// Of a change that is dropped nothing is left, else whoever marks all day would
// fill the disk.
func TestADroppedChangeLeavesNothing(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	told(t, s, 1, toUsers(1, "", "ada"), markBy("ada", notify.VerbRead, idOf(1)))
	_, _, err := s.Apply(3, noon().Add(time.Hour), []notify.Entry{
		markBy("ada", notify.VerbUnread, idOf(1)), markBy("ada", notify.VerbRead, idOf(1)),
		markBy("ada", notify.VerbUnread, idOf(1)), markBy("ada", notify.VerbRead, idOf(1)),
	})
	require.NoError(t, err)
	_, removed := changes(t, s, 0, 6)
	require.Equal(t, notify.Sequence(2), removed)
	due, err := s.Due(noon().Add(31*24*time.Hour+time.Minute), notify.Sweep{Retention: 1000 * 24 * time.Hour})
	require.NoError(t, err)
	assert.False(t, due)
	due, err = s.Due(noon().Add(31*24*time.Hour+time.Hour), notify.Sweep{Retention: 1000 * 24 * time.Hour})
	require.NoError(t, err)
	assert.True(t, due)
}

// What a user has marked goes with what is dropped, sooner or later.
func TestMarksOfWhatIsDroppedAreForgotten(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	last := notify.Sequence(0)
	for n := range 500 {
		e := toUsers(n, "")
		e.Audience = notify.AudienceAll
		told(t, s, last+1, e, markBy("ada", notify.VerbRead, idOf(n)))
		last += 2
	}
	unread, err := s.Unread(notify.Reader{User: "ada"}, last)
	require.NoError(t, err)
	assert.Zero(t, unread)
	require.NoError(t, s.Close())
	s = rewritten(t, fs, func(_ func(key, value string), db *pebble.DB) {
		marks, closer, err := db.Get([]byte("bada"))
		require.NoError(t, err)
		defer closer.Close()
		assert.Less(t, len(marks), 500) // ten bytes for each of 50
	})
	require.NoError(t, s.Close())
}

// A broadcast from before a token's since is hidden wherever it would be found,
// however finely that is said.
func TestSinceWithinAMillisecond(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	e := toUsers(1, "")
	e.Audience = notify.AudienceAll
	reader := notify.Reader{User: "ada", Since: noon().Add(time.Microsecond)}
	got := told(t, s, 1, e, notify.Mark{Reader: reader, Verb: notify.VerbRead, IDs: []string{idOf(1)}, Keep: 3})
	assert.Len(t, got, 1) // it cannot be marked
	n, err := s.Unread(reader, 2)
	require.NoError(t, err)
	assert.Zero(t, n)
	list, err := s.List(reader, 0, 2, notify.StateAll, 10, noon())
	require.NoError(t, err)
	assert.Empty(t, list.Notifications)
}
