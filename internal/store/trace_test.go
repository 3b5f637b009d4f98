package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

func trace(t *testing.T, s *store.Store, n int, user notify.UserID, at time.Time) store.Trace {
	t.Helper()
	tr, ok, err := s.Trace(idOf(n), user, ^notify.Sequence(0), at)
	require.NoError(t, err)
	require.True(t, ok)
	return tr
}

func published(e notify.Publish) notify.Publish {
	e.By = "key:backend"
	return e
}

// The publisher and the users of a notification are known after it has left every inbox, and so is
// why it did.
func TestATraceSaysWhatBecameOfANotification(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	expiring := published(toUsers(1, "", "ada"))
	expiring.TTL = time.Hour
	later := published(toUsers(5, "", "ada"))
	later.DeliverAt = noon().Add(48 * time.Hour)
	apply(
		t, s, noon(), expiring, published(toUsers(2, "build", "ada", "grace")), published(toUsers(3, "build", "ada")),
		published(toUsers(4, "", "ada")), later, markBy("ada", notify.VerbRead, idOf(4)),
	)
	kept := trace(t, s, 1, "", noon())
	assert.Equal(t, notify.StatusKept, kept.Status)
	assert.Equal(t, "key:backend", kept.By)
	assert.NotEmpty(t, kept.Content)
	assert.Equal(t, notify.StatusExpired, trace(t, s, 1, "", noon().Add(time.Hour)).Users[0].Status, "it has expired, and no Cleanup has removed it")

	replaced := trace(t, s, 2, "", noon())
	assert.Equal(t, notify.StatusKept, replaced.Status, "grace has it")
	assert.Equal(t, store.Fate{Status: notify.StatusReplaced, At: noon(), ReplacedBy: idOf(3)}, replaced.Users[0].Fate)
	assert.Equal(t, notify.StatusKept, replaced.Users[1].Status)
	assert.Len(t, trace(t, s, 2, "grace", noon()).Users, 1)
	assert.Empty(t, trace(t, s, 2, "eve", noon()).Users)

	deferred := trace(t, s, 5, "", noon())
	assert.Equal(t, notify.StatusDeferred, deferred.Status)
	assert.Equal(t, later.DeliverAt, deferred.DeliverAt)
	assert.Equal(t, []store.UserTrace{{User: "ada", Fate: store.Fate{Status: notify.StatusDeferred}}}, deferred.Users)

	at := noon().Add(time.Hour)
	apply(t, s, at, notify.Cleanup{Retention: 24 * time.Hour}, notify.Recall{ID: idOf(4)}, notify.Recall{ID: idOf(5)})
	assert.Equal(t, store.Fate{Status: notify.StatusExpired, At: at}, trace(t, s, 1, "", at).Users[0].Fate)
	recalled := trace(t, s, 4, "", at)
	assert.Equal(t, store.Fate{Status: notify.StatusRecalled, At: at}, recalled.Fate)
	assert.Equal(t, noon(), recalled.Users[0].Read, "the read state at that time")
	assert.Equal(t, "key:backend", recalled.By)
	assert.Empty(t, recalled.Content)
	assert.Equal(t, []string{kept.Type(), kept.Type()}, []string{recalled.RemovedType, trace(t, s, 5, "ada", at).RemovedType})
	assert.Equal(t, notify.StatusRecalled, trace(t, s, 5, "ada", at).Users[0].Status)
	assert.ErrorIs(t, apply(t, s, at, notify.Recall{ID: idOf(4)})[0].Err, notify.ErrNotFound)

	apply(t, s, noon().Add(24*time.Hour), notify.Cleanup{Retention: 24 * time.Hour})
	old := trace(t, s, 2, "", at)
	assert.Equal(t, store.Fate{Status: notify.StatusEvicted, Reason: notify.ReasonRetention, At: noon().Add(24 * time.Hour)}, old.Users[1].Fate)
	assert.Equal(t, notify.StatusReplaced, old.Users[0].Status)
	checkUsageOf(t, s)
}

// A history that is full evicts its oldest notification, which other users keep.
func TestATraceNamesTheHistoryThatWasFull(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	first, second := toUsers(1, "", "ada", "grace"), toUsers(2, "", "ada")
	second.Keep = 1
	apply(t, s, noon(), first, second)
	full := store.Fate{Status: notify.StatusEvicted, Reason: notify.ReasonFull, At: noon()}
	tr := trace(t, s, 1, "", noon())
	assert.Equal(t, full, tr.Users[0].Fate)
	assert.Equal(t, notify.StatusKept, tr.Users[1].Status)
	apply(t, s, noon(), notify.Recall{ID: idOf(1)})
	tr = trace(t, s, 1, "", noon())
	assert.Equal(t, []store.UserTrace{
		{User: "ada", Fate: full}, {User: "grace", Fate: store.Fate{Status: notify.StatusRecalled, At: noon()}},
	}, tr.Users)
}

// The readers of a topic and of everyone are not known, so that only a user who is asked for is
// traced.
func TestATraceOfASharedNotificationIsAboutTheUserInQuestion(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	e := toTopics(1, "team")
	e.Except = []notify.UserID{"eve"}
	read := markBy("ada", notify.VerbRead, idOf(1))
	read.Reader.Topics = []notify.TopicPattern{"team"}
	apply(t, s, noon(), e, read)
	assert.Empty(t, trace(t, s, 1, "", noon()).Users)
	assert.Equal(t, noon(), trace(t, s, 1, "ada", noon()).Users[0].Read)
	muted := store.Fate{Status: notify.StatusMuted, Reason: notify.ReasonExcept}
	assert.Equal(t, muted, trace(t, s, 1, "eve", noon()).Users[0].Fate)
	apply(t, s, noon(), notify.Recall{ID: idOf(1)})
	tr := trace(t, s, 1, "ada", noon())
	assert.Equal(t, []notify.Topic{"team"}, tr.Topics)
	assert.Equal(t, notify.StatusRecalled, tr.Users[0].Status)
}

// A trace names the rule of the user that applies, and says whether it hides the notification. A rule
// for any of its topics applies to a user who is a member of none, since the topics of tokens are not
// known.
func TestATraceNamesTheRuleOfTheUser(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	rules := []notify.PreferenceRule{{Type: "x", Level: notify.LevelOff}, {Topic: "team", Level: notify.LevelSilent}, {Level: notify.LevelOff}}
	later := toUsers(3, "", "ada")
	later.DeliverAt = noon().Add(time.Hour)
	apply(t, s, noon(), notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Rules: rules}},
		toUsers(1, "", "ada", "grace"), toTopics(2, "team", "other"), later)
	all := trace(t, s, 1, "", noon()).Users
	assert.Equal(t, store.UserTrace{
		User: "ada", Fate: store.Fate{Status: notify.StatusMuted, Reason: notify.ReasonPreferences}, Rule: store.TracedRule{PreferenceRule: rules[2], Index: 2},
	}, all[0])
	assert.Equal(t, store.UserTrace{User: "grace", Fate: store.Fate{Status: notify.StatusKept}}, all[1])
	silent := trace(t, s, 2, "ada", noon()).Users[0]
	assert.Equal(t, notify.StatusKept, silent.Status)
	assert.Equal(t, store.TracedRule{PreferenceRule: rules[1], Index: 1}, silent.Rule)
	deferred := trace(t, s, 3, "ada", noon()).Users[0]
	assert.Equal(t, notify.StatusDeferred, deferred.Status)
	assert.Equal(t, rules[2], deferred.Rule.PreferenceRule)
	apply(t, s, noon(), notify.Recall{ID: idOf(1)})
	assert.Zero(t, trace(t, s, 1, "ada", noon()).Users[0].Rule, "its type is not known any more")
}

// A rule for a topic that a member does not hear applies neither in its inbox nor in a trace. The topics
// that it heard when the notification was published count, or those of now before it is delivered.
func TestATraceAppliesTheRulesOfAMemberAsItsInboxDoes(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	later := toTopics(4, "b", "p.q.3")
	later.DeliverAt = noon().Add(time.Hour)
	rules := []notify.PreferenceRule{{Topic: "b", Level: notify.LevelOff}}
	join := func(topic notify.Topic) notify.Members {
		return notify.Members{Topic: topic, Add: []notify.UserID{"ada"}}
	}
	apply(t, s, noon(), notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Rules: rules}},
		toTopics(1, "b", "p.q.3"), join("p.q.3"), toTopics(2, "b", "p.q.3"), later)
	kept, muted := store.Fate{Status: notify.StatusKept}, store.Fate{Status: notify.StatusMuted, Reason: notify.ReasonPreferences}
	is := func(n int) store.Fate { return trace(t, s, n, "ada", noon()).Users[0].Fate }
	assert.Equal(t, muted, is(1), "a token may name b")
	assert.Equal(t, kept, is(2))
	assert.Zero(t, trace(t, s, 4, "ada", noon()).Users[0].Rule)

	apply(t, s, noon(), join("b"), toTopics(3, "b", "p.q.3"))
	assert.Equal(t, kept, is(2), "it was published before")
	assert.Equal(t, muted, is(3))
	assert.Equal(t, rules[0], trace(t, s, 4, "ada", noon()).Users[0].Rule.PreferenceRule)
	apply(t, s, noon(), notify.Members{Topic: "b", Remove: []notify.UserID{"ada"}})
	assert.Equal(t, muted, is(3), "it stays in the inbox of a member that leaves, and so does the rule")
	list, err := s.List(notify.Reader{User: "ada"}, 0, s.Last(), &notify.Filter{}, 10, noon())
	require.NoError(t, err)
	require.Len(t, list.Notifications, 1)
	assert.Equal(t, idOf(2), list.Notifications[0].ID())
}

// A trace says by which topics a user has a notification as a member: those of which it was one when the
// notification was published, whether or not it is one now.
func TestATraceSaysWhetherTheUserWasAMember(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	to := func(n int, topics ...notify.Topic) notify.Publish {
		e := toTopics(n, topics...)
		e.Keep = 10
		return e
	}
	later := to(5, "a", "b")
	later.DeliverAt = noon().Add(time.Hour)
	add := func(topic notify.Topic, users ...notify.UserID) notify.Members {
		return notify.Members{Topic: topic, Add: users}
	}
	remove := func(topic notify.Topic, users ...notify.UserID) notify.Members {
		return notify.Members{Topic: topic, Remove: users}
	}
	apply(t, s, noon(), to(1, "a"), add("a", "ada"), to(2, "a", "b"), to(3, "b", "a"), remove("a", "ada"), to(4, "a"),
		later, add("b", "grace"), toUsers(6, "", "ada"))
	is := func(n int, user notify.UserID) []notify.Topic { return trace(t, s, n, user, noon()).Users[0].MemberOf }
	a, b, none := []notify.Topic{"a"}, []notify.Topic{"b"}, []notify.Topic{}
	assert.Equal(t, none, is(1, "ada"), "it joined later")
	assert.Equal(t, a, is(2, "ada"), "it has left since")
	assert.Equal(t, none, is(2, "grace"))
	assert.Equal(t, none, is(4, "ada"), "it had left")
	assert.Equal(t, none, is(5, "ada"))
	assert.Equal(t, b, is(5, "grace"), "as it is now")
	assert.Nil(t, is(6, "ada"), "it was published to users")

	apply(t, s, noon(), notify.Recall{ID: idOf(2)}, notify.Recall{ID: idOf(1)})
	assert.Equal(t, a, is(2, "ada"), "the interval is known, since a has another notification in it")
	assert.Nil(t, is(1, "ada"), "whether it was one is not known of a notification that was removed")
	full := toTopics(7, "a")
	full.Keep = 1
	apply(t, s, noon(), full)
	assert.Equal(t, none, is(3, "ada"), "a was full, and only b has it")
}

// Removals are forgotten 31 days after retention would have removed the notification, and do not
// exceed their share of the limit of the store.
func TestRemovalsAreBounded(t *testing.T) {
	const limit = 100_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	cleanup := notify.Cleanup{Retention: 24 * time.Hour, MaxBytes: limit}
	for n := 1; n <= 500; n++ {
		apply(t, s, noon(), toUsers(n, "", "ada"), notify.Recall{ID: idOf(n)})
	}
	require.Greater(t, s.Usage().Removals, uint64(limit/16))
	due, err := s.Due(noon(), cleanup)
	require.NoError(t, err)
	require.True(t, due)
	cleanUpAll(t, s, noon(), cleanup)
	assert.LessOrEqual(t, s.Usage().Removals, uint64(limit/16))
	assert.Greater(t, s.Usage().Removals, uint64(limit/16-200))
	assert.Equal(t, notify.StatusRecalled, trace(t, s, 500, "", noon()).Status)
	_, ok, err := s.Trace(idOf(1), "", s.Last(), noon())
	require.NoError(t, err)
	assert.False(t, ok, "the oldest is forgotten first")

	forgotten := noon().Add(cleanup.Retention + 31*24*time.Hour)
	cleanUpAll(t, s, forgotten.Add(-time.Millisecond), cleanup)
	trace(t, s, 500, "", noon())
	due, err = s.Due(forgotten, cleanup)
	require.NoError(t, err)
	assert.True(t, due)
	cleanUpAll(t, s, forgotten, cleanup)
	assert.Zero(t, s.Usage().Removals)
	left, err := s.Dump()
	require.NoError(t, err)
	for k := range left {
		assert.NotContains(t, "Rd", k[:1])
	}
}

// checkFate compares what became of a random notification for a random user.
func (m *inboxMachine) checkFate(t *rapid.T) {
	if counted, err := m.store.CountRemovals(); err != nil || counted != m.store.Usage().Removals {
		t.Fatalf("removals have %d bytes, and are counted as %d: %v", counted, m.store.Usage().Removals, err)
	}
	if len(m.ids) == 0 {
		return
	}
	id, user := rapid.SampledFrom(m.ids).Draw(t, "traced"), rapid.SampledFrom(readers).Draw(t, "by").User
	want, known := m.model.Fate(id, user, m.now)
	got, ok, err := m.store.Trace(id, user, m.last, m.now)
	switch {
	case err != nil:
		t.Fatal(err)
	case !ok:
		if exists := slices.Contains(m.model.IDs(), id); exists {
			t.Fatalf("%s is unknown", id)
		}
		return // Cleanup has deleted the removal
	case known != (len(got.Users) == 1):
		t.Fatalf("%s has %d users, want %v", id, len(got.Users), known)
	case !known:
		return
	}
	is := got.Users[0].Fate
	if at := m.model.Delivered(id, user); is.Status == notify.StatusKept && !got.Users[0].Delivered.Equal(at) {
		t.Fatalf("%s was delivered to %s at %v, want %v", id, user, got.Users[0].Delivered, at)
	}
	switch {
	case want.Status == is.Status && want.Status != notify.StatusKept && is.At.IsZero():
	case is == store.Fate{Status: notify.StatusEvicted} && want.Status != notify.StatusKept: // the user's own removal was deleted
	case is.Status == notify.StatusMuted && !got.At.IsZero(): // the read state may outlive the notification
	case is != store.Fate(want):
		t.Fatalf("%s for %s: %+v, want %+v", id, user, is, want)
	}
}

// checkUsageOf compares the counted size of removals with that of the records.
func checkUsageOf(t *testing.T, s *store.Store) {
	t.Helper()
	want, err := s.CountRemovals()
	require.NoError(t, err)
	assert.Equal(t, want, s.Usage().Removals)
}
