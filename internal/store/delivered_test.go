package store_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// The first delivery to each user is kept with the notification, if a receipt is wanted. Seeing a
// notification implies that it was delivered.
func TestDeliveriesAreKeptWithTheNotification(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	wanted, unwanted := toUsers(1, "", "ada", "grace"), toUsers(2, "", "ada")
	wanted.Receipt = true
	apply(t, s, noon(), wanted, unwanted)
	before := s.Usage().Other
	delivered := func(at time.Time, to ...notify.Delivery) {
		require.NoError(t, apply(t, s, at, notify.Delivered{Deliveries: to})[0].Err)
	}
	later := noon().Add(time.Minute)
	delivered(noon(), notify.Delivery{User: "ada", Sequence: 1}, notify.Delivery{User: "ada", Sequence: 2})
	delivered(later, notify.Delivery{User: "ada", Sequence: 1})
	assert.Equal(t, noon(), trace(t, s, 1, "ada", later).Users[0].Delivered, "the first counts")
	assert.Zero(t, trace(t, s, 1, "grace", later).Users[0].Delivered)
	assert.Zero(t, trace(t, s, 2, "", later).Users[0].Delivered, "no receipt was wanted")
	apply(t, s, later, markBy("grace", notify.VerbRead, idOf(1)))
	assert.Equal(t, later, trace(t, s, 1, "grace", later).Users[0].Delivered)

	refused := notify.Delivered{Deliveries: []notify.Delivery{{User: "grace", Sequence: 1}}, MaxBytes: 1}
	require.NoError(t, apply(t, s, noon().Add(time.Hour), refused)[0].Err)
	assert.Equal(t, later, trace(t, s, 1, "grace", later).Users[0].Delivered, "other records have taken their share")
	assert.ErrorIs(t, apply(t, s, later, notify.Delivered{})[0].Err, notify.ErrNotApplied)

	require.Greater(t, s.Usage().Other, before)
	apply(t, s, later, notify.Recall{ID: idOf(1)})
	assert.Equal(t, noon(), trace(t, s, 1, "ada", later).Users[0].Delivered, "it is remembered as the read state is")
	assert.Equal(t, later, trace(t, s, 1, "grace", later).Users[0].Delivered)
	left, err := s.Dump()
	require.NoError(t, err)
	for k := range left {
		assert.NotEqual(t, "D", k[:1], "its own record is deleted with the notification")
	}
	other, err := s.CountOther()
	require.NoError(t, err)
	assert.Equal(t, other, s.Usage().Other)
}

// When a full history evicts a notification that another user still has, it is remembered that it was
// delivered to the first one.
func TestADeliveryIsRememberedAfterAnEviction(t *testing.T) {
	s := openIn(t, vfs.NewMem())
	defer s.Close()
	e := toUsers(1, "", "ada", "grace")
	e.Receipt = true
	apply(t, s, noon(), e, notify.Delivered{Deliveries: []notify.Delivery{{User: "ada", Sequence: 1}}})
	full := toUsers(2, "", "ada")
	full.Keep = 1
	apply(t, s, noon().Add(time.Minute), full)
	evicted := trace(t, s, 1, "ada", noon()).Users[0]
	assert.Equal(t, notify.StatusEvicted, evicted.Status)
	assert.Equal(t, noon(), evicted.Delivered)
}

// A delivery that becomes known after the notification was removed, as happens within the interval of
// the receipts, is recorded with the removal, unless that has one.
func TestADeliveryIsRecordedAfterTheRemoval(t *testing.T) {
	for _, users := range [][]notify.UserID{{"ada"}, {"ada", "grace"}} {
		s := openIn(t, vfs.NewMem())
		one := toUsers(1, "k", users...)
		one.Receipt = true
		apply(t, s, noon(), one, toUsers(2, "k", "ada"))
		delivered := notify.Delivered{Deliveries: []notify.Delivery{{User: "ada", Sequence: 1}, {User: "eve", Sequence: 1}}}
		apply(t, s, noon().Add(time.Second), delivered)
		apply(t, s, noon().Add(time.Minute), delivered)
		found := trace(t, s, 1, "ada", noon())
		assert.Equal(t, notify.StatusReplaced, found.Users[0].Status)
		assert.Equal(t, noon().Add(time.Second), found.Users[0].Delivered)
		removals, err := s.CountRemovals()
		require.NoError(t, err)
		assert.Equal(t, removals, s.Usage().Removals)
		require.NoError(t, s.Close())
	}
}
