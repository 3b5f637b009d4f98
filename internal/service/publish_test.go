package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

func TestScopes(t *testing.T) {
	r := newRig(t)
	publisher := notify.Principal{Name: "p", Scopes: []notify.Scope{notify.ScopePublish}}
	crier := notify.Principal{Name: "c", Scopes: []notify.Scope{notify.ScopeBroadcast}}
	for _, c := range []struct {
		by  notify.Principal
		d   notify.Draft
		err error
	}{
		{publisher, draft("x", "ada"), nil},
		{publisher, draft("x"), notify.ErrScope},
		{crier, draft("x"), nil},
		{crier, draft("x", "ada"), notify.ErrScope},
		{notify.Principal{}, draft("x", "ada"), notify.ErrScope},
		{publisher, toTopics("x", "news"), nil},
		{crier, toTopics("x", "news"), notify.ErrScope},
		{notify.Principal{}, toTopics("x", "news"), notify.ErrScope},
	} {
		_, err := r.service.Publish(t.Context(), c.by, service.Call{}, c.d)
		assert.ErrorIs(t, err, c.err)
	}
}

func TestARepeatedUserReceivesANotificationOnce(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	receipt := r.publish("one", "ada", "grace", "ada")
	assert.Equal(t, 2, receipt.Recipients)
	r.publish("two", "ada")
	assert.Equal(t, []string{"welcome", "live", "one", "two"}, d.received(4))
}

func TestIdempotency(t *testing.T) {
	r := newRig(t)
	one := draft("one", "ada")
	call := service.Call{Path: "/notify", Key: "k"}
	first, err := r.service.Publish(t.Context(), backend(), call, one)
	require.NoError(t, err)
	assert.False(t, first.Duplicate)

	r.restart()
	again, err := r.service.Publish(t.Context(), backend(), call, one)
	require.NoError(t, err)
	assert.Equal(t, notify.Receipt{ID: first.ID, Recipients: 1, Duplicate: true}, again)

	other := one
	other.Source = []byte(`{"type":"u"}`)
	_, err = r.service.Publish(t.Context(), backend(), call, other)
	assert.ErrorIs(t, err, notify.ErrKeyReused)

	for name, call := range map[string]service.Call{
		"another path": {Path: "/ws", Key: "k"},
		"another key":  {Path: "/notify", Key: "l"},
	} {
		receipt, err := r.service.Publish(t.Context(), backend(), call, other)
		require.NoError(t, err, name)
		assert.False(t, receipt.Duplicate, name)
	}
	someone := backend()
	someone.Name = "user:someone"
	receipt, err := r.service.Publish(t.Context(), someone, call, other)
	require.NoError(t, err)
	assert.False(t, receipt.Duplicate, "another principal")
}

func TestARetriedBatchPublishesTheFailedItems(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	call := service.Call{Path: "/notify/batch", Key: "k"}
	bad := draft("bad", "ada")
	bad.Type = ""
	items := []wire.BatchItem{{Draft: draft("one", "ada")}, {Draft: bad}, {Draft: draft("three", "ada")}}
	results := r.service.PublishBatch(t.Context(), backend(), call, items)
	assert.NoError(t, results[0].Err)
	assert.ErrorIs(t, results[1].Err, notify.ErrInvalid)
	assert.NoError(t, results[2].Err)

	items[1].Draft = draft("two", "ada")
	again := r.service.PublishBatch(t.Context(), backend(), call, items)
	assert.True(t, again[0].Receipt.Duplicate)
	assert.False(t, again[1].Receipt.Duplicate)
	assert.True(t, again[2].Receipt.Duplicate)
	assert.Equal(t, []string{"welcome", "live", "one", "three", "two"}, d.received(5))
}

func TestEphemeralIsNotStored(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	e := draft("now or never", "ada")
	e.Ephemeral = true
	for _, key := range []string{"", "k"} {
		receipt, err := r.service.Publish(t.Context(), backend(), service.Call{Key: key}, e)
		require.NoError(t, err)
		assert.Equal(t, 1, receipt.Recipients)
	}
	again, err := r.service.Publish(t.Context(), backend(), service.Call{Key: "k"}, e)
	require.NoError(t, err)
	assert.True(t, again.Duplicate)
	r.publish("kept", "ada")
	assert.Equal(t, []string{"welcome", "live", "now or never", "now or never", "kept"}, d.received(5))
	assert.Empty(t, d.all()[2].cursor)
	assert.Equal(t, []string{"welcome", "kept", "live"}, r.connect("ada", service.Earliest).received(3))
}

func TestExpiredIsNotReplayed(t *testing.T) {
	r := newRig(t)
	short := draft("short", "ada")
	short.TTL = time.Second
	_, err := r.service.Publish(t.Context(), backend(), service.Call{}, short)
	require.NoError(t, err)
	r.publish("long", "ada")
	assert.Eventually(t, func() bool {
		return len(r.connect("ada", service.Earliest).caughtUp()) == len([]string{"welcome", "long", "live"})
	}, 10*time.Second, 50*time.Millisecond)
}
