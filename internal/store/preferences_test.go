package store_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// off returns preferences with a rule that mutes a type.
func off(types ...notify.TypePattern) (p notify.Preferences) {
	for _, t := range types {
		p.Rules = append(p.Rules, notify.PreferenceRule{Type: t, Level: notify.LevelOff})
	}
	return p
}

// preferences returns preferences of a user, which often hide some of what inboxMachine publishes.
func preferences(t *rapid.T) notify.UserPreferences {
	e := notify.UserPreferences{User: rapid.SampledFrom([]notify.UserID{"ada", "ada", "grace", "eve"}).Draw(t, "prefers")}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		e.Rules = append(e.Rules, notify.PreferenceRule{
			Type:  rapid.SampledFrom([]notify.TypePattern{"", "", "comment", "comment.*", "mention"}).Draw(t, "rule for type"),
			Topic: rapid.SampledFrom([]notify.TopicPattern{"", "", "team", "project.*", "project.y.z", "else", "a.b.*"}).Draw(t, "rule for topic"),
			Level: rapid.SampledFrom([]notify.Level{notify.LevelOff, notify.LevelOff, notify.LevelAlert, notify.LevelSilent}).Draw(t, "level"),
		})
	}
	if rapid.IntRange(0, 3).Draw(t, "quiet") == 0 {
		e.Quiet = &notify.Quiet{From: 60, To: 120, Zone: "UTC"}
	}
	return e
}

// Preferences replace those before, are exported and erased, and take no space when there are none.
func TestPreferencesAreReplacedExportedAndErased(t *testing.T) {
	s, now := openIn(t, vfs.NewMem()), time.Now()
	empty := s.Usage().Other
	night := off("comment.*")
	night.Quiet = &notify.Quiet{From: 60, To: 0, Zone: "UTC"}
	for _, p := range []notify.Preferences{off("a", "b"), night} {
		require.NoError(t, apply(t, s, now, notify.UserPreferences{User: "ada", Preferences: p})[0].Err)
		got, err := s.Preferences("ada")
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	page, err := s.Export("ada", "")
	require.NoError(t, err)
	require.Equal(t, []store.Kept{{Kind: store.KeptPreferences, Preferences: night}}, page.Kept)
	none, err := s.Preferences("grace")
	require.NoError(t, err)
	require.True(t, none.IsZero())

	full := apply(t, s, now, notify.UserPreferences{User: "grace", Preferences: night, MaxBytes: 1})[0].Err
	require.ErrorIs(t, full, notify.ErrUnavailable)
	require.NoError(t, apply(t, s, now, notify.UserPreferences{User: "ada", MaxBytes: 1})[0].Err, "preferences can be removed")
	require.Less(t, s.Usage().Other-empty, uint64(32), "the history of the user says when other notifications were hidden")

	require.NoError(t, apply(t, s, now, notify.UserPreferences{User: "ada", Preferences: night})[0].Err)
	eraseAll(t, s, now, "ada")
	none, err = s.Preferences("ada")
	require.NoError(t, err)
	require.True(t, none.IsZero())
	cleanUpAll(t, s, now.Add(time.Hour), notify.Cleanup{Retention: 24 * time.Hour}) // the erasure is forgotten
	require.Equal(t, empty, s.Usage().Other)
}

// Connections learn of a change only if other notifications are hidden than before.
func TestOnlyOtherRulesThatHideAreAChange(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	first := off("a")
	seq := notify.Sequence(0)
	changes := func(p notify.Preferences) int {
		seq++
		return len(emitted(t, s, seq, notify.UserPreferences{User: "ada", Preferences: p}))
	}
	require.Zero(t, changes(notify.Preferences{Rules: []notify.PreferenceRule{{Level: notify.LevelSilent}}}))
	require.Equal(t, 1, changes(first))
	require.Zero(t, changes(first))
	first.Rules = append(first.Rules, notify.PreferenceRule{Level: notify.LevelSilent}) // after all that hide
	first.Quiet = &notify.Quiet{To: 60, Zone: "UTC"}
	require.Zero(t, changes(first))
	first.Rules = append([]notify.PreferenceRule{{Type: "b", Level: notify.LevelAlert}}, first.Rules...) // before them
	require.Equal(t, 1, changes(first))
	page, err := s.History(notify.Reader{User: "ada"}, 0, seq, 10)
	require.NoError(t, err)
	require.Equal(t, seq, page.Muted)
	require.Equal(t, 1, changes(notify.Preferences{}))
	require.Zero(t, changes(notify.Preferences{}))
}

// A notification to several topics is delivered in parts if it replaces another one in some of them.
// Each part names the other topics: a rule for one of them hides it too.
func TestPartsOfANotificationNameItsOtherTopics(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	old, next := toTopics(1, "a"), toTopics(2, "a", "b")
	old.CollapseKey, next.CollapseKey = "k", "k"
	emitted(t, s, 1, old)
	hears := func(notify.Topic) bool { return true }
	parts := 0
	for _, c := range emitted(t, s, 2, next) {
		n, ok := c.(*notify.Notification)
		if !ok {
			continue
		}
		parts++
		for _, topic := range []notify.TopicPattern{"a", "b"} {
			rules := notify.Preferences{Rules: []notify.PreferenceRule{{Topic: topic, Level: notify.LevelOff}}}
			require.True(t, rules.Muting().Hides(n, hears), "the part to %s, for %s", n.Topics, topic)
		}
	}
	require.Equal(t, 2, parts)
}

// A history without notifications is discarded if space is short, but not while preferences hide
// something: then it says so. A reader with a cursor from before the last change has a gap.
func TestHistoriesOfUsersWithRulesAreNotDiscarded(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	short := notify.Cleanup{Retention: time.Hour, MaxBytes: 1}
	apply(t, s, noon(), notify.UserPreferences{User: "ada", Preferences: off("t")})
	apply(t, s, noon().Add(2*time.Hour), short)
	apply(t, s, noon().Add(2*time.Hour), notify.Publish{
		ID: idOf(1), Audience: notify.AudienceAll, Content: []byte(`"id":"` + idOf(1) + `","type":"t"`),
	})
	list, err := s.List(notify.Reader{User: "ada"}, 0, s.Last(), &notify.Filter{}, 10, noon())
	require.NoError(t, err)
	require.Empty(t, list.Notifications)
	list, err = s.List(notify.Reader{User: "grace"}, 0, s.Last(), &notify.Filter{}, 10, noon())
	require.NoError(t, err)
	require.Len(t, list.Notifications, 1)
}
