package store_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// fill publishes to so many topics under "project.", the nth of which gets idOf(n).
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
	told(t, s, 1, entries...)
	return notify.Sequence(topics)
}

// markCollected has r mark all that there is, and returns how many it has changed, in how
// many entries.
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

// The work of a count, and of a page of an inbox and of history, depends on nothing
// but the page, however many topics a pattern stands for.
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
			list, err := s.List(r, 0, last, notify.StateInbox, 10, noon())
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
		of["count of what is read"] = count(0)
		of["list of what is read"] = testing.AllocsPerRun(20, page)
		return of
	}
	for _, prefix := range []string{"project.", "a.b.c.d.e.f.g.h."} {
		few, many := work(prefix, 20), work(prefix, 4_000)
		for what, n := range few {
			// Allocations of compactions in the background count, too. Work for each
			// topic would be thousands more.
			assert.LessOrEqual(t, many[what], 2*n+100, "%s under %s", what, prefix)
		}
	}
}

// records returns what is kept of a user's read state, by node.
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

// To mark all up to a place is one interval, however many topics there are; each token
// of the user finds it, and what is marked in a topic is apart.
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
	assert.Equal(t, 1, entries, "what is marked is not looked at again")

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
	told(t, s, last, mark)
	assert.Equal(t, 1, unread(other))
	assert.Equal(t, 1, unread(r), "9 is not heard by the other")
	last++
	mark.Verb = notify.VerbRead
	told(t, s, last, mark)
	assert.Zero(t, unread(r))
	require.NoError(t, s.Close())
	assert.Empty(t, records(t, fs, "ada")["project.7"], "it says what the pattern says")
}

// The intervals of topics of which nothing is kept are dropped while the user marks
// others.
func TestReadStateOfEmptyTopicsIsRemoved(t *testing.T) {
	const topics = 400
	fs := vfs.NewMem()
	s := openIn(t, fs)
	last := notify.Sequence(0)
	for n := range topics {
		topic := notify.Topic(fmt.Sprintf("project.%d", n))
		r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{notify.TopicPattern(topic)}}
		told(t, s, last+1, toTopics(n, topic),
			notify.Mark{Reader: r, Verb: notify.VerbRead, IDs: []string{idOf(n)}, Keep: 9},
			notify.Recall{ID: idOf(n), Keep: 9})
		last += 3
	}
	require.NoError(t, s.Close())
	assert.Less(t, len(records(t, fs, "ada")), topics/4)
}

// Notifications that were read in a topic keep their time when the pattern is marked, and
// patterns within patterns agree.
func TestPatternsWithinPatterns(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	told(t, s, 1, toTopics(1, "a.b.c"), toTopics(2, "a.b.d"), toTopics(3, "a.x"), toTopics(4, "a.b.c", "a.x"))
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

// However few are in a state, a page looks at a bounded number, and there is another.
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
	told(t, s, 1, entries...)
	told(t, s, all+1, markBy("ada", notify.VerbArchive, idOf(0)))
	var got []string
	pages := 0
	for before, more := notify.Sequence(0), true; more; pages++ {
		list, err := s.List(notify.Reader{User: "ada"}, before, all+1, notify.StateArchived, 10, noon())
		require.NoError(t, err)
		for _, n := range list.Notifications {
			got = append(got, n.ID())
		}
		before, more = list.Next, list.Next > 0
	}
	assert.Equal(t, []string{idOf(0)}, got)
	assert.Equal(t, 2, pages)
}

// An interval of a topic does not mark notifications to other topics at its sequences.
func TestMarkingATopicLeavesOthersAlone(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	told(t, s, 1, toTopics(1, "project.y"), toTopics(2, "project.x"))
	r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.x"}}
	for _, through := range []notify.Sequence{1, 2} {
		told(t, s, 2+through, notify.Mark{Reader: r, Verb: notify.VerbRead, Through: through, Keep: 9})
		n, err := s.Unread(notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}, 2)
		require.NoError(t, err)
		assert.Equal(t, 3-int(through), n)
	}
}
