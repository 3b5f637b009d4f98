package store

import (
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// If this test fails, a constant of the rules was changed: nodes with the earlier program would
// make another state of the same entries. Raise notify.RulesVersion, and keep the earlier rules
// for the earlier versions: see rules.go.
func TestRulesOfAVersionDoNotChange(t *testing.T) {
	hour := time.Hour
	assert.Equal(t, map[string]any{
		"version":       1,
		"change":        31 * 24 * hour,
		"erased":        hour,
		"key":           24 * hour,
		"ticket":        30 * time.Second,
		"token":         31*24*hour + time.Minute,
		"pattern":       32,
		"evictions":     100,
		"walk":          5_000,
		"walk change":   20,
		"former":        1_000,
		"former drop":   100,
		"former users":  10,
		"members":       1_000,
		"member topics": 1_000,
		"removal":       31 * 24 * hour,
		"removal bytes": 16 << 20,
		"location":      25,
		"deliveries":    500,
		"except":        100,
		"deferral":      366 * 24 * hour,
		"token IDs":     256,
		"hash":          64,
		"hashes":        1_024,
		"expirations":   500,
		"mark":          250,
		"mark reads":    8,
		"mark IDs":      100,
		"prune":         32,
		"pruned":        2,
		"dots":          8,
		"block":         12,
		"names":         256,
		"users":         1_000,
		"topics":        10,
		"collapse keys": 128,
		"rules":         100,
		"zone":          64,
	}, map[string]any{
		"version":       notify.RulesVersion,
		"change":        changeLifetime,
		"erased":        erasedLifetime,
		"key":           notify.KeyLifetime,
		"ticket":        notify.TicketLifetime,
		"token":         notify.MaxTokenLifetime,
		"pattern":       patternChangesFactor,
		"evictions":     maxEvictions,
		"walk":          walkBudget,
		"walk change":   changeCost,
		"former":        maxFormer,
		"former drop":   formerDropped,
		"former users":  maxFormerPruned,
		"members":       notify.MaxMemberChanges,
		"member topics": notify.MaxMemberTopics,
		"removal":       removalLifetime,
		"removal bytes": minRemovalBytes,
		"location":      locationBytes,
		"deliveries":    notify.MaxDeliveries,
		"except":        notify.MaxExcept,
		"deferral":      notify.MaxDeferral,
		"token IDs":     notify.MaxTokenIDBytes,
		"hash":          hashEvery,
		"hashes":        keptHashes,
		"expirations":   maxExpirations,
		"mark":          maxMarkChanges,
		"mark reads":    readsPerMarkChange,
		"mark IDs":      notify.MaxMarks,
		"prune":         pruneInterval,
		"pruned":        maxPrunedPerMark,
		"dots":          maxPatternDots,
		"block":         blockBits,
		"names":         notify.MaxUserBytes,
		"users":         notify.MaxUsers,
		"topics":        notify.MaxTopics,
		"collapse keys": notify.MaxCollapseKey,
		"rules":         notify.MaxPreferenceRules,
		"zone":          notify.MaxZoneBytes,
	})
}

func openRules(t *testing.T, fs vfs.FS) (*Store, error) {
	t.Helper()
	return Open("data", Options{FS: fs, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
}

func TestNewerRulesAreRefused(t *testing.T) {
	fs := vfs.NewMem()
	s, err := openRules(t, fs)
	require.NoError(t, err)
	now := time.UnixMilli(1000)
	_, _, err = s.Apply(1, notify.Stamp(now, notify.Generation{ID: 1, Rules: notify.RulesVersion}))
	require.NoError(t, err)
	_, _, err = s.Apply(2, notify.Stamp(now, notify.Generation{ID: 2, Rules: notify.RulesVersion + 1}))
	require.ErrorIs(t, err, ErrNewerRules)
	assert.ErrorContains(t, err, "version 2, and this program has versions up to 1")
	require.NoError(t, s.Close())

	s, err = openRules(t, fs)
	require.NoError(t, err, "the generation was not applied")
	assert.Equal(t, notify.Sequence(1), s.Last())
	newer := s.state
	newer.rules = notify.RulesVersion + 1
	require.NoError(t, s.db.Set([]byte{kindState}, newer.append(nil), pebble.Sync))
	require.NoError(t, s.Close())
	before, err := fs.List(s.path())
	require.NoError(t, err)
	_, err = openRules(t, fs)
	require.ErrorIs(t, err, ErrNewerRules)
	after, err := fs.List(s.path())
	require.NoError(t, err)
	assert.ElementsMatch(t, before, after, "no file was written")
}
