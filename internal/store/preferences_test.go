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
	require.Equal(t, empty, s.Usage().Other)

	require.NoError(t, apply(t, s, now, notify.UserPreferences{User: "ada", Preferences: night})[0].Err)
	eraseAll(t, s, now, "ada")
	none, err = s.Preferences("ada")
	require.NoError(t, err)
	require.True(t, none.IsZero())
	require.Equal(t, empty, s.Usage().Other)
}
