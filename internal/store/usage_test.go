package store_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// cleanUpAll applies Cleanups until nothing is left to remove.
func cleanUpAll(t *testing.T, s *store.Store, at time.Time, e notify.Cleanup) {
	t.Helper()
	for more := true; more; {
		more = apply(t, s, at, e)[0].More
	}
}

func keyed(n int) notify.Publish {
	e := toUsers(n, "", "ada")
	e.Key.Name = sha256.Sum256([]byte(idOf(n)))
	return e
}

func deferredPublish(n int) notify.Publish {
	e := toUsers(n, "", "ada")
	e.DeliverAt = noon().Add(48 * time.Hour)
	return e
}

// Idempotency keys count towards the size limit of the store. They cannot be removed before
// they expire, so publishes with new keys are refused once half of the limit is used.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	const limit = 100_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	bounded := func(e notify.Publish) notify.Publish {
		e.MaxBytes = limit
		return e
	}
	n := 1
	for ; n < 10_000; n++ {
		v := apply(t, s, noon(), bounded(keyed(n)))[0]
		if v.Err != nil {
			require.ErrorIs(t, v.Err, notify.ErrUnavailable)
			break
		}
	}
	require.InDelta(t, limit/2, s.Usage().Other, 500)
	assert.ErrorIs(t, apply(t, s, noon(), bounded(deferredPublish(n)))[0].Err, notify.ErrUnavailable)
	assert.NoError(t, apply(t, s, noon(), bounded(toUsers(n, "", "ada")))[0].Err, "publishes without a key are accepted")
	again := apply(t, s, noon(), bounded(keyed(1)))[0]
	require.NoError(t, again.Err, "a repeat of a stored key is answered")
	assert.True(t, again.Receipt.Duplicate)

	later := noon().Add(notify.KeyLifetime)
	cleanUpAll(t, s, later, notify.Cleanup{Retention: 30 * 24 * time.Hour, MaxBytes: limit})
	assert.Less(t, s.Usage().Other, uint64(200))
	assert.NoError(t, apply(t, s, later, bounded(keyed(n)))[0].Err)
}

// Notifications may use at least half of the limit, whatever the size of other records. Other
// records use the other half.
func TestNotificationsHaveHalfOfTheLimit(t *testing.T) {
	const limit = 200_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	for n := 1; n <= 2_000; n++ {
		e := toUsers(n, "", notify.UserID(fmt.Sprint("user", n%500)))
		if n%2 == 0 {
			e.Key.Name = sha256.Sum256([]byte(e.ID))
		}
		apply(t, s, noon(), e)
	}
	before := s.Usage()
	require.Greater(t, before.Notifications+before.Other, uint64(limit))
	require.Greater(t, before.Other, uint64(limit/2))
	cleanUpAll(t, s, noon(), notify.Cleanup{Retention: time.Hour, MaxBytes: limit})
	after := s.Usage()
	assert.LessOrEqual(t, after.Notifications, uint64(limit/2))
	assert.Greater(t, after.Notifications, uint64(limit/2-1_000))
	other, err := s.CountOther()
	require.NoError(t, err)
	assert.Equal(t, other, after.Other)
}

// Histories of users and topics whose notifications retention has removed do not accumulate. A
// reader with an earlier cursor gets a reset.
func TestNamesAreBounded(t *testing.T) {
	const limit = 100_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	cleanup := notify.Cleanup{Retention: 30 * 24 * time.Hour, MaxBytes: limit}
	peak := uint64(0)
	for n := 1; n <= 20_000; n++ {
		e := toUsers(n, "", notify.UserID(fmt.Sprint("user", n)))
		if n%2 == 0 {
			e = toTopics(n, notify.Topic(fmt.Sprint("topic.", n)))
		}
		apply(t, s, noon(), e)
		if n%500 == 0 {
			cleanUpAll(t, s, noon(), cleanup)
			peak = max(peak, s.Usage().Other)
		}
	}
	assert.Less(t, peak, uint64(limit/2))
	for _, r := range []notify.Reader{
		{User: "user1"}, {User: "other", Topics: []notify.TopicPattern{"topic.2"}}, {User: "other", Topics: []notify.TopicPattern{"topic.*"}},
	} {
		page, err := s.History(r, 10, s.Last(), 1)
		require.NoError(t, err)
		assert.Greater(t, page.Removed, notify.Sequence(10))
	}
	page, err := s.History(notify.Reader{User: "user1"}, s.Last()-100, s.Last(), 1)
	require.NoError(t, err)
	assert.Less(t, page.Removed, s.Last()-100, "a recent cursor has no gap")
}

// When a record is removed, its size is subtracted from the usage.
func TestRemovedRecordsDoNotCount(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	ticket := notify.Ticket{Hash: sha256.Sum256([]byte("ticket")), Principal: notify.Principal{User: "ada"}}
	apply(t, s, noon(), keyed(1), deferredPublish(2), ticket, notify.Revocation{User: "ada", Before: noon()},
		toUsers(3, "key", "ada", "eve"), toUsers(4, "key", "ada"), notify.Recall{ID: idOf(4), Keep: 10})
	require.NoError(t, s.Close())
	s = openIn(t, fs)
	defer s.Close()
	require.Greater(t, s.Usage().Other, uint64(500))
	require.Greater(t, s.Usage().Notifications, uint64(100))
	later := noon().Add(90 * 24 * time.Hour)
	apply(t, s, later, notify.Recall{ID: idOf(2)})
	cleanUpAll(t, s, later, notify.Cleanup{Retention: time.Hour, MaxBytes: 1})
	assert.Zero(t, s.Usage().Notifications)
	other, err := s.CountOther()
	require.NoError(t, err)
	assert.Equal(t, other, s.Usage().Other)
	assert.Less(t, other, uint64(20), "only the history of everyone is left")
}

// The work of one Cleanup is bounded. A notification to ten topics counts like ten notifications
// to one topic.
func TestACleanupIsBoundedByTopics(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	var ten []notify.Topic
	for n := range notify.MaxTopics {
		ten = append(ten, notify.Topic(fmt.Sprint("project.", n)))
	}
	for n := 1; n <= 100; n++ {
		e := toTopics(n, ten...)
		e.Keep = 1_000
		apply(t, s, noon(), e)
	}
	later := noon().Add(time.Hour)
	cleanup := notify.Cleanup{Retention: time.Minute}
	require.True(t, apply(t, s, later, cleanup)[0].More)
	require.False(t, apply(t, s, later, cleanup)[0].More)
	assert.Zero(t, s.Usage().Notifications)
}

// Read state of removed notifications does not accumulate, even if its users mark nothing any
// more. Read state of stored notifications is kept.
func TestReadStateIsBounded(t *testing.T) {
	const limit, users = 100_000, 1_000
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	topics := []notify.Topic{"project.1", "project.2"}
	publish := func(at time.Time, n int) {
		apply(t, s, at, toTopics(n, topics[0]), toTopics(n+1, topics...), notify.Publish{ID: idOf(n + 2), Audience: notify.AudienceAll})
	}
	readAll := func(at time.Time, user int) notify.Reader {
		r := notify.Reader{User: notify.UserID(fmt.Sprint("user", user)), Topics: []notify.TopicPattern{"project.*"}}
		require.Equal(t, 3, apply(t, s, at, notify.Mark{Reader: r, Verb: notify.VerbRead, Through: s.Last()})[0].Changed)
		return r
	}
	publish(noon(), 1)
	for user := range users {
		readAll(noon(), user)
	}
	for n := 1; n <= 3; n++ {
		apply(t, s, noon(), notify.Recall{ID: idOf(n)})
	}

	later := noon().Add(40 * 24 * time.Hour) // when the changes have expired
	publish(later, 4)
	reader := readAll(later, users/2)
	cleanup := notify.Cleanup{Retention: time.Hour, MaxBytes: limit}
	for n, due := 0, true; due; n++ {
		require.Less(t, n, users, "the Cleanups do not come to an end")
		apply(t, s, later, cleanup)
		other, err := s.CountOther()
		require.NoError(t, err)
		require.Equal(t, other, s.Usage().Other)
		due, err = s.Due(later, cleanup)
		require.NoError(t, err)
	}
	e := keyed(7)
	e.MaxBytes = limit
	assert.NoError(t, apply(t, s, later, e)[0].Err)
	read, err := s.List(reader, 0, s.Last(), &notify.Filter{State: notify.StateRead}, 10, later)
	require.NoError(t, err)
	assert.Len(t, read.Notifications, 3, "stored notifications stay read")
}
