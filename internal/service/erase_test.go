package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
)

// A token erases and exports only users within its bound.
func TestEraseWithinABound(t *testing.T) {
	r := newRig(t)
	by := tenants().userOf("acme", "acme:ada")
	for _, u := range []notify.UserID{"acme:grace", "bank:ada"} {
		_, err := r.service.Publish(t.Context(), backend(), service.Call{}, draft("a", u))
		require.NoError(t, err)
	}
	require.ErrorIs(t, r.service.Erase(t.Context(), by, "bank:ada"), notify.ErrScope)
	_, err := r.service.Export(t.Context(), by, "bank:ada", "")
	require.ErrorIs(t, err, notify.ErrScope)
	page, err := r.service.Export(t.Context(), by, "acme:grace", "")
	require.NoError(t, err)
	assert.Len(t, page.Kept, 1)
	require.NoError(t, r.service.Erase(t.Context(), by, "acme:grace"))
	page, err = r.service.Export(t.Context(), by, "acme:grace", "")
	require.NoError(t, err)
	assert.Empty(t, page.Kept)
	page, err = r.service.Export(t.Context(), backend(), "bank:ada", "")
	require.NoError(t, err)
	assert.Len(t, page.Kept, 1)
}

// A node purges its files after an erasure for which another node was asked, and repeats that until it
// succeeds: late if its disk has too little space.
func TestANodePurgesItsFilesAfterEachErasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &ledger{
			free: 1, unpurged: 7, logger: slog.New(slog.NewTextHandler(&log, nil)),
			purges: []error{errors.New("broken"), fmt.Errorf("purge: %w: 1 byte is free", store.ErrSpace), nil},
		}
		l.run(t)
		pass(time.Hour)
		assert.Equal(t, []time.Duration{2 * time.Second, 62 * time.Second, 662 * time.Second}, l.purgedAt)
		assert.Contains(t, log.String(), `msg="files not purged after an erasure: the disk has too little free space`)
		l.mu.Lock()
		l.unpurged, l.purges = 9, []error{nil}
		l.mu.Unlock()
		pass(time.Hour)
		assert.Len(t, l.purgedAt, 4)
	})
}

// tooFull is a store that has too little space to be purged.
type tooFull struct{ service.Store }

func (tooFull) Purge(context.Context, notify.Sequence) error { return store.ErrSpace }

// An erasure on a full disk says that the files have not been purged.
func TestAnErasureOnAFullDiskSaysWhatIsLeft(t *testing.T) {
	r := newRig(t, func(r *rig) { r.wrap = func(s *store.Store) service.Store { return tooFull{s} } })
	_, err := r.service.Publish(t.Context(), backend(), service.Call{}, draft("a", "ada"))
	require.NoError(t, err)
	err = r.service.Erase(t.Context(), backend(), "ada")
	require.ErrorIs(t, err, notify.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "too little free space")
	page, err := r.service.Export(t.Context(), backend(), "ada", "")
	require.NoError(t, err)
	require.Empty(t, page.Kept)
}
