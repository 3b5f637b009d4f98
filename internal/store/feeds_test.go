package store_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// fill publishes one notification to each of a number of topics under "project.": idOf(n) to
// "project.n".
func fill(t *testing.T, s *store.Store, topics int) (last notify.Sequence) {
	t.Helper()
	return fillUnder(t, s, "project.", topics)
}

func fillUnder(t *testing.T, s *store.Store, prefix string, topics int) (last notify.Sequence) {
	t.Helper()
	entries := make([]notify.Entry, topics)
	for n := range topics {
		entries[n] = toTopics(n, notify.Topic(fmt.Sprint(prefix, n)))
	}
	emitted(t, s, 1, entries...)
	return notify.Sequence(topics)
}

// markAll marks all notifications of r, and returns how many have changed, and the number of
// entries that it took.
func markAll(t *testing.T, s *store.Store, r notify.Reader, verb notify.Verb, last *notify.Sequence) (changed, entries int) {
	t.Helper()
	e := notify.Mark{Reader: r, Verb: verb, Through: *last, Keep: 100_000}
	for more := true; more; entries++ {
		*last++
		verdicts, _, err := s.Apply(*last, notify.Stamp(noon(), e))
		require.NoError(t, err)
		changed, more, e.From = changed+verdicts[0].Changed, verdicts[0].More, verdicts[0].Next
	}
	return changed, entries
}

// The work for a count, for a page of an inbox and for a page of history does not depend on the
// number of topics that a pattern matches.
func TestManyTopicsUnderAPatternCostNoMoreThanFew(t *testing.T) {
	work := func(prefix string, topics int) map[string]float64 {
		r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{notify.TopicPattern(prefix + "*"), "else"}}
		s := openIn(t, vfs.NewMem())
		defer s.Close()
		last := fillUnder(t, s, prefix, topics)
		count := func(want int) float64 {
			return testing.AllocsPerRun(20, func() {
				n, err := s.Unread(r, last)
				require.NoError(t, err)
				require.Equal(t, want, n)
			})
		}
		of := map[string]float64{}
		of["count"] = count(topics)
		page := func() {
			list, err := s.List(r, 0, last, &notify.Filter{State: notify.StateInbox}, 10, noon())
			require.NoError(t, err)
			require.Len(t, list.Notifications, 10)
		}
		of["list"] = testing.AllocsPerRun(20, page)
		of["history"] = testing.AllocsPerRun(20, func() {
			page, err := s.History(r, last-10, last, 100)
			require.NoError(t, err)
			require.Len(t, page.Notifications, 10)
		})
		markAll(t, s, r, notify.VerbRead, &last)
		of["count after reading all"] = count(0)
		of["list after reading all"] = testing.AllocsPerRun(20, page)
		return of
	}
	for _, prefix := range []string{"project.", "a.b.c.d.e.f.g.h."} {
		few, many := work(prefix, 20), work(prefix, 4_000)
		for name, n := range few {
			// Allocations of compactions in the background are counted too. Work for each
			// topic would add thousands.
			assert.LessOrEqual(t, many[name], 2*n+100, "%s under %s", name, prefix)
		}
	}
}

// records returns the size of each record of a user's read state, by feed.
func records(t *testing.T, fs vfs.FS, u notify.UserID) map[string]int {
	t.Helper()
	db := openPebble(t, fs)
	defer db.Close()
	prefix := fmt.Sprintf("e\x00%c%s", len(u), u)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: []byte(prefix + "\xff")})
	require.NoError(t, err)
	defer it.Close()
	of := map[string]int{}
	for ok := it.First(); ok; ok = it.Next() {
		if feed := string(it.Key()[len(prefix):]); feed != "" {
			of[feed] = len(it.Value())
		}
	}
	return of
}

// Marking all notifications of a pattern up to a sequence adds one interval, whatever the number
// of topics. It applies to every token of the user, and marks in single topics are kept
// separately.
func TestMarkingUpToACursorMakesOneInterval(t *testing.T) {
	const topics, few = 1_000, 20
	fs := vfs.NewMem()
	s := openIn(t, fs)
	s.SetMaxMarkChanges(few)
	last := fill(t, s, topics)
	r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}
	changed, entries := markAll(t, s, r, notify.VerbRead, &last)
	assert.Equal(t, topics, changed)
	assert.LessOrEqual(t, entries, topics/few+1)
	changed, entries = markAll(t, s, r, notify.VerbRead, &last)
	assert.Zero(t, changed)
	assert.Equal(t, 1, entries, "marked notifications are not read again")

	other := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.7", "project.8"}}
	unread := func(r notify.Reader) int {
		n, err := s.Unread(r, last)
		require.NoError(t, err)
		return n
	}
	assert.Zero(t, unread(other))
	require.NoError(t, s.Close())
	of := records(t, fs, "ada")
	require.Len(t, of, 1)
	assert.Less(t, of["project.*"], 20)

	s = openIn(t, fs)
	last++
	mark := notify.Mark{Reader: other, Verb: notify.VerbUnread, IDs: []string{idOf(7), idOf(9)}, Keep: 9}
	emitted(t, s, last, mark)
	assert.Equal(t, 1, unread(other))
	assert.Equal(t, 1, unread(r), "the other token does not permit topic 9")
	last++
	mark.Verb = notify.VerbRead
	emitted(t, s, last, mark)
	assert.Zero(t, unread(r))
	require.NoError(t, s.Close())
	assert.Empty(t, records(t, fs, "ada")["project.7"], "a record equal to that of the pattern is deleted")
}

// Marks of a user remove the intervals of topics that have no notifications any more.
func TestReadStateOfEmptyTopicsIsRemoved(t *testing.T) {
	const topics = 400
	fs := vfs.NewMem()
	s := openIn(t, fs)
	last := notify.Sequence(0)
	for n := range topics {
		topic := notify.Topic(fmt.Sprintf("project.%d", n))
		r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{notify.TopicPattern(topic)}}
		emitted(t, s, last+1, toTopics(n, topic),
			notify.Mark{Reader: r, Verb: notify.VerbRead, IDs: []string{idOf(n)}, Keep: 9},
			notify.Recall{ID: idOf(n), Keep: 9})
		last += 3
	}
	require.NoError(t, s.Close())
	assert.Less(t, len(records(t, fs, "ada")), topics/4)
}

// Marks by a topic, by a pattern that matches it, and by a wider pattern agree: the latest mark
// of a notification counts for all of them.
func TestPatternsWithinPatterns(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toTopics(1, "a.b.c"), toTopics(2, "a.b.d"), toTopics(3, "a.x"), toTopics(4, "a.b.c", "a.x"))
	reader := func(topics ...notify.TopicPattern) notify.Reader { return notify.Reader{User: "ada", Topics: topics} }
	last := notify.Sequence(4)
	all := func(verb notify.Verb, r notify.Reader) int {
		n, _ := markAll(t, s, r, verb, &last)
		return n
	}
	unread := func(topics ...notify.TopicPattern) int {
		n, err := s.Unread(reader(topics...), last)
		require.NoError(t, err)
		return n
	}
	assert.Equal(t, 4, unread("a.*", "a.b.*", "a.x"))
	assert.Equal(t, 3, all(notify.VerbRead, reader("a.b.*")))
	assert.Equal(t, 1, unread("a.*"))
	assert.Equal(t, 2, all(notify.VerbUnread, reader("a.b.c")))
	assert.Equal(t, []int{3, 2, 2, 0}, []int{unread("a.*"), unread("a.b.*"), unread("a.x"), unread("a.b.d")})
	assert.Equal(t, 3, all(notify.VerbRead, reader("a.*")))
	assert.Zero(t, unread("a.*"))
	assert.Equal(t, 4, all(notify.VerbUnread, reader("a.*")))
	assert.Equal(t, []int{4, 3, 2, 1}, []int{unread("a.*"), unread("a.b.*"), unread("a.x"), unread("a.b.d")})
}

// A page reads a bounded number of notifications, even if few of them have the listed state. The
// next page continues after them.
func TestPagesLookAtABoundedNumber(t *testing.T) {
	const all = 12_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	var entries []notify.Entry
	for n := range all {
		e := toUsers(n, "", "ada")
		e.Keep = all
		entries = append(entries, e)
	}
	emitted(t, s, 1, entries...)
	emitted(t, s, all+1, markBy("ada", notify.VerbArchive, idOf(0)))
	var got []string
	pages := 0
	for before, more := notify.Sequence(0), true; more; pages++ {
		list, err := s.List(notify.Reader{User: "ada"}, before, all+1, &notify.Filter{State: notify.StateArchived}, 10, noon())
		require.NoError(t, err)
		for _, n := range list.Notifications {
			got = append(got, n.ID())
		}
		before, more = list.Next, list.Next > 0
	}
	assert.Equal(t, []string{idOf(0)}, got)
	assert.Equal(t, 2, pages)
}

// A count with a filter reads the newest notifications only. Without a filter, the total is complete.
func TestCountsLookAtABoundedNumber(t *testing.T) {
	const all, counted, groups = 12_000, 10_000, 1_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	var entries []notify.Entry
	for n := range all {
		e := toUsers(n, "", "ada")
		e.Keep = all
		e.Content = []byte(`"id":"` + idOf(n) + `","type":"a.` + strconv.Itoa(n) + `","priority":"low"`)
		entries = append(entries, e)
	}
	emitted(t, s, 1, entries...)
	count := func(f notify.Filter, by notify.Grouping) notify.GroupedCounts {
		c, err := s.CountMatching(notify.Reader{User: "ada"}, all, &f, by)
		require.NoError(t, err)
		return c
	}
	some := notify.Filter{Types: []notify.TypePattern{"a.*"}}
	assert.Equal(t, notify.Counts{Unread: counted, Unseen: counted}, count(some, notify.ByNothing).Counts)
	assert.Equal(t, map[string]notify.Counts{"low": {Unread: counted, Unseen: counted}}, count(some, notify.ByPriority).By)
	c := count(notify.Filter{}, notify.ByType)
	assert.Equal(t, notify.Counts{Unread: all, Unseen: all}, c.Counts)
	assert.Len(t, c.By, groups)
	for n := all - groups; n < all; n++ {
		assert.Contains(t, c.By, "a."+strconv.Itoa(n), "the newest have their groups")
	}
}

// An interval of a topic does not mark notifications to other topics at its sequences.
func TestMarkingATopicLeavesOthersAlone(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	emitted(t, s, 1, toTopics(1, "project.y"), toTopics(2, "project.x"))
	r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.x"}}
	for _, through := range []notify.Sequence{1, 2} {
		emitted(t, s, 2+through, notify.Mark{Reader: r, Verb: notify.VerbRead, Through: through, Keep: 9})
		n, err := s.Unread(notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}, 2)
		require.NoError(t, err)
		assert.Equal(t, 3-int(through), n)
	}
}
