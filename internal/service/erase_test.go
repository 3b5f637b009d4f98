package service_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
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
