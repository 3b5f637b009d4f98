package store_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// An erasure that ends between two of its entries is remembered with its position, so that it can be
// completed after a restart at any of them. When it is complete, the files are to be purged, and nothing
// is left of the user.
func TestAnInterruptedErasureIsRemembered(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	apply(t, s, noon(), aboutUser(erasedUser)...)
	apply(t, s, noon(), notify.Erase{User: "nobody"})
	require.NoError(t, s.Purge(t.Context(), s.Last()))
	next := notify.Erase{User: erasedUser}
	entries := 0
	for more := true; more; entries++ {
		s.SetWalkBudget(30)
		v := apply(t, s, noon(), next)[0]
		require.NoError(t, v.Err)
		other, err := s.CountOther()
		require.NoError(t, err)
		require.Equal(t, other, s.Usage().Other)
		require.NoError(t, s.Close())
		s = openIn(t, fs)
		left, err := s.Erasing()
		require.NoError(t, err)
		if more = v.More; more {
			require.Equal(t, []notify.Erase{{User: erasedUser, From: v.Rest}}, left)
			next = left[0]
			continue
		}
		require.Empty(t, left)
		require.Equal(t, v.Sequence, s.Unpurged())
	}
	require.Greater(t, entries, 5)
	require.NoError(t, s.Purge(t.Context(), s.Unpurged()))
	assert.Empty(t, filesWith(t, fs, "data", erasedText))
	left, err := s.Dump()
	require.NoError(t, err)
	for k, v := range left {
		assert.NotContains(t, k+v, erasedUser)
	}
	require.NoError(t, s.Close())
}

// The position of an erasure may be at a key of another user. When that one is erased, the position
// no longer has the name, and the erasure still passes over nothing.
func TestThePositionOfAnErasureHasNoErasedUser(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer func() { require.NoError(t, s.Close()) }()
	var entries []notify.Entry
	for n := 1; n <= 40; n++ {
		e := toUsers(n, "", erasedUser)
		e.Keep = 0 // all
		e.By = notify.UserID("grace").PrincipalName()
		entries = append(entries, e)
	}
	e := toUsers(100, "", "zoe")
	e.By = notify.UserID("grace").PrincipalName()
	apply(t, s, noon(), append(entries, e)...)
	s.SetWalkBudget(100)
	require.True(t, apply(t, s, noon(), notify.Erase{User: "grace"})[0].More)
	before, err := s.Erasing()
	require.NoError(t, err)
	require.Contains(t, before[0].From, erasedUser)

	eraseAll(t, s, noon(), erasedUser)
	left, err := s.Dump()
	require.NoError(t, err)
	for k, v := range left {
		assert.NotContains(t, k+v, erasedUser)
	}
	for next := before; len(next) > 0; {
		next, err = s.Erasing()
		require.NoError(t, err)
		for _, e := range next {
			require.NoError(t, apply(t, s, noon(), e)[0].Err)
		}
	}
	assert.Empty(t, trace(t, s, 100, "", noon()).By)
	checkUsageOf(t, s)
}

// The keys at the ends of tables stay in the MANIFEST after a purge. They have no collapse keys.
func TestTheCollapseKeysOfAnErasedUserAreInNoFile(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	defer func() { require.NoError(t, s.Close()) }()
	for n := 1; n <= 20; n++ {
		e := toUsers(n, fmt.Sprint(erasedText, n), "ada")
		e.Keep = 0 // all
		apply(t, s, noon(), e)
		s.Flush()
	}
	require.NotEmpty(t, filesWith(t, fs, "data", erasedText), "the test can find it")
	eraseAll(t, s, noon(), "ada")
	require.NoError(t, s.Purge(t.Context(), s.Last()))
	assert.Empty(t, filesWith(t, fs, "data", erasedText))
}
